import { getDevicePushTokenAsync, requestPermissionsAsync, setNotificationChannelAsync, AndroidImportance } from "expo-notifications";
import { Platform } from "react-native";
import { client } from "../client";
import { registrationOf } from "../logic/push";

/** Tells the service where this phone is: at every start, since Firebase changes tokens. Null where it gets no pushes. */
export async function registerPush(): Promise<string | null> {
  if (Platform.OS !== "android") return null;
  await setNotificationChannelAsync("default", { name: "Pictures", importance: AndroidImportance.DEFAULT });
  if (!(await requestPermissionsAsync()).granted) return null;
  const registration = registrationOf(await getDevicePushTokenAsync());
  return registration && (await client.registerDevice(registration.token, registration.platform)).id;
}
