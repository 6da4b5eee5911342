import { useEffect } from "react";
import { StatusBar } from "react-native";
import { SafeAreaProvider, SafeAreaView } from "react-native-safe-area-context";
import { registerPush } from "./native/registerPush";
import { useRoute } from "./native/useRoute";
import { look } from "./parts/look";
import { CameraScreen } from "./screens/CameraScreen";
import { Gallery } from "./screens/Gallery";
import { JobScreen } from "./screens/JobScreen";

export function App() {
  const [route, show] = useRoute();
  useEffect(() => void registerPush().catch(console.warn), []);
  return (
    <SafeAreaProvider>
      <StatusBar barStyle="light-content" />
      <SafeAreaView style={look.screen}>
        {route.screen === "camera" ? <CameraScreen show={show} />
        : route.screen === "job" ? <JobScreen key={route.jobId} jobId={route.jobId} show={show} />
        : <Gallery show={show} />}
      </SafeAreaView>
    </SafeAreaProvider>
  );
}
