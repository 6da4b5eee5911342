import { Text, View } from "react-native";
import Svg, { Circle } from "react-native-svg";
import { arcOf } from "../logic/geometry";
import { colour } from "./look";

/** A ring that closes as the work goes on, and how far it is. */
export function Ring({ percent, size }: { percent: number; size: number }) {
  const stroke = Math.min(8, size / 12);
  const radius = (size - stroke) / 2;
  const { length, hidden } = arcOf(percent, radius);
  const circle = { cx: size / 2, cy: size / 2, r: radius, strokeWidth: stroke, fill: "none" };
  return (
    <View accessible role="progressbar" aria-valuenow={Math.round(percent)} style={{ width: size, height: size, alignItems: "center", justifyContent: "center" }}>
      <Svg width={size} height={size} style={{ position: "absolute", transform: [{ rotate: "-90deg" }] }}>
        <Circle {...circle} stroke="#ffffff40" />
        <Circle {...circle} stroke={colour.accent} strokeLinecap="round" strokeDasharray={length} strokeDashoffset={hidden} />
      </Svg>
      <Text style={{ color: "#fff", fontSize: Math.min(48, size / 4), fontWeight: "700", fontVariant: ["tabular-nums"] }}>{Math.round(percent)}%</Text>
    </View>
  );
}
