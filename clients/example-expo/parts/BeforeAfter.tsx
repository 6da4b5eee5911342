import { useState } from "react";
import { Image, StyleSheet, Text, View, type GestureResponderEvent } from "react-native";
import { shareAt } from "../logic/geometry";
import { colour } from "./look";

const STEP = 0.1;

/** The crop as it was photographed, and over it the result; a finger uncovers one or the other. */
export function BeforeAfter({ before, after }: { before: string | null; after: string }) {
  const [width, setWidth] = useState(0);
  const [share, setShare] = useState(0.5);
  const follow = ({ nativeEvent }: GestureResponderEvent): void => setShare(shareAt(nativeEvent.locationX, width));
  const picture = { position: "absolute", left: 0, width, height: width } as const;
  return (
    <View
      accessible
      role="slider"
      aria-label="Before and after"
      aria-valuenow={Math.round(100 * share)}
      accessibilityActions={[{ name: "increment" }, { name: "decrement" }]}
      onAccessibilityAction={({ nativeEvent }) => setShare((now) => shareAt(now + (nativeEvent.actionName === "increment" ? STEP : -STEP), 1))}
      onLayout={({ nativeEvent }) => setWidth(nativeEvent.layout.width)}
      onStartShouldSetResponder={() => true}
      onResponderGrant={follow}
      onResponderMove={follow}
      onResponderTerminationRequest={() => false}
      style={styles.frame}
    >
      <View style={[StyleSheet.absoluteFill, { pointerEvents: "none" }]}>
        {before && <Image source={{ uri: before }} style={picture} resizeMode="contain" alt="Before" />}
        <View style={{ position: "absolute", left: share * width, right: 0, height: width, overflow: "hidden", backgroundColor: "#000" }}>
          <Image source={{ uri: after }} style={[picture, { left: -share * width }]} resizeMode="contain" alt="After" />
        </View>
        <View style={[styles.line, { left: share * width - 1 }]} />
        <View style={[styles.knob, { left: share * width - 20, top: width / 2 - 20 }]}>
          <Text style={styles.arrows}>‹ ›</Text>
        </View>
      </View>
    </View>
  );
}

const styles = StyleSheet.create({
  frame: { width: "100%", maxWidth: 520, aspectRatio: 1, overflow: "hidden", borderRadius: 20, backgroundColor: "#000", cursor: "pointer" },
  line: { position: "absolute", width: 2, height: "100%", backgroundColor: "#fff" },
  knob: { position: "absolute", width: 40, height: 40, borderRadius: 20, alignItems: "center", justifyContent: "center", backgroundColor: "#fff" },
  arrows: { color: colour.ground, fontSize: 16, fontWeight: "700", lineHeight: 20 },
});
