import { getInitialURL, addEventListener } from "expo-linking";
import { addNotificationResponseReceivedListener, getLastNotificationResponse } from "expo-notifications";
import { useEffect, useState } from "react";
import { BackHandler } from "react-native";
import { routeOfNotification } from "../logic/push";
import { routeOf, type Route } from "../logic/route";

/** What the app shows: moved by its buttons, by deep links, by notifications, and by the phone's back button. */
export function useRoute(): [Route, (route: Route) => void] {
  const [route, show] = useState<Route>({ screen: "gallery" });
  useEffect(() => {
    const tapped = getLastNotificationResponse()?.notification.request.content.data;
    void getInitialURL().then((link) => show(routeOfNotification(tapped) ?? routeOf(link)));
    const links = addEventListener("url", ({ url }) => show(routeOf(url)));
    const taps = addNotificationResponseReceivedListener(({ notification }) => {
      show((now) => routeOfNotification(notification.request.content.data) ?? now);
    });
    return () => [links, taps].forEach((one) => one.remove());
  }, []);
  useEffect(() => {
    const back = BackHandler.addEventListener("hardwareBackPress", () => {
      show({ screen: "gallery" });
      return route.screen !== "gallery";
    });
    return () => back.remove();
  }, [route]);
  return [route, show];
}
