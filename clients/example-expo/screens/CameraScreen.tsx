import { CameraView, useCameraPermissions } from "expo-camera";
import { IrisvueError, type NativeFile } from "irisvue-client";
import { useRef, useState } from "react";
import { Platform, Pressable, StyleSheet, Text, View } from "react-native";
import Svg, { Circle, Defs, Mask, Rect } from "react-native-svg";
import { client } from "../client";
import { guideOf } from "../logic/geometry";
import type { Route } from "../logic/route";
import { useStillHere } from "../native/useStillHere";
import { Button } from "../parts/Button";
import { colour, look } from "../parts/look";
import { Ring } from "../parts/Ring";

/** The camera with a ring for the eye: one tap takes the photo, sends it and begins its job. */
export function CameraScreen({ show }: { show: (route: Route) => void }) {
  const [permission, ask] = useCameraPermissions();
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [percent, setPercent] = useState<number | null>(null);
  const [refused, setRefused] = useState("");
  const camera = useRef<CameraView>(null);
  const stillHere = useStillHere();
  const back = (): void => show({ screen: "gallery" });

  async function take(): Promise<void> {
    try {
      setPercent(0);
      const picture = await camera.current?.takePictureAsync({ quality: 1 });
      if (!picture) return setPercent(null);
      const photo = await uploadable(picture.uri);
      const { id } = await client.uploadPhoto(photo, { onProgress: (share) => setPercent(100 * share) });
      const { job_id } = await client.submit(id, { preview: true });
      if (stillHere()) show({ screen: "job", jobId: job_id });
    } catch (error) {
      setRefused(error instanceof IrisvueError ? error.message : String(error));
      setPercent(null);
    }
  }

  if (!permission) return null;
  if (!permission.granted) {
    return (
      <View style={look.middle}>
        <Text style={look.title}>May the camera see your eye?</Text>
        <Text style={look.words}>The photo goes to your Irisvue service and nowhere else.</Text>
        <View style={look.row}><Button title="Allow" first onPress={() => void ask()} /><Button title="Back" onPress={back} /></View>
      </View>
    );
  }
  return (
    <View style={look.screen} onLayout={({ nativeEvent }) => setSize(nativeEvent.layout)}>
      <CameraView ref={camera} style={StyleSheet.absoluteFill} facing="back" autofocus="on" onMountError={({ message }) => setRefused(message)} />
      <Guide {...size} />
      <View style={styles.controls}>
        <Text role="status" style={styles.hint}>{refused || (percent === null ? "Fill the ring with your iris, and hold still." : "Uploading...")}</Text>
        {percent === null
          ? <Pressable role="button" aria-label="Take the photo" onPress={() => void take()} style={styles.shutter} />
          : <Ring percent={percent} size={76} />}
        <Button title="Back" onPress={back} />
      </View>
    </View>
  );
}

/** What of the camera's picture does not matter is darkened, and a ring says where the iris belongs. */
function Guide({ width, height }: { width: number; height: number }) {
  const { x, y, radius } = guideOf(width, height);
  return (
    <Svg width={width} height={height} style={StyleSheet.absoluteFill} pointerEvents="none">
      <Defs>
        <Mask id="hole">
          <Rect width={width} height={height} fill="#fff" />
          <Circle cx={x} cy={y} r={radius} fill="#000" />
        </Mask>
      </Defs>
      <Rect width={width} height={height} fill="#000000b0" mask="url(#hole)" />
      <Circle cx={x} cy={y} r={radius} fill="none" stroke={colour.accent} strokeWidth={3} />
      <Circle cx={x} cy={y} r={radius / 3} fill="none" stroke="#ffffff90" strokeWidth={1} strokeDasharray="4 6" />
    </Svg>
  );
}

async function uploadable(uri: string): Promise<Blob | NativeFile> {
  return Platform.OS === "web" ? (await fetch(uri)).blob() : { uri, name: "eye.jpg", type: "image/jpeg" };
}

const styles = StyleSheet.create({
  controls: { position: "absolute", left: 0, right: 0, bottom: 24, alignItems: "center", gap: 18 },
  hint: { color: "#fff", fontSize: 16, textAlign: "center", paddingHorizontal: 24 },
  shutter: { width: 76, height: 76, borderRadius: 38, backgroundColor: "#fff", borderWidth: 6, borderColor: colour.accent },
});
