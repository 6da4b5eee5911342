import { routeOf, type Route } from "./route";

/**
 * How to register a device's token with the service, which sends through Firebase.
 *
 * Null for iOS, where Expo gives Apple's own token: Firebase's SDK (`@react-native-firebase/messaging`) has the one to register there.
 */
export function registrationOf(token: { type: string; data: unknown }): { token: string; platform: "android" } | null {
  return token.type === "android" && typeof token.data === "string" ? { token: token.data, platform: "android" } : null;
}

/** What a tapped notification opens; null where it is not about a job. */
export function routeOfNotification(data: Record<string, unknown> | null | undefined): Route | null {
  const link = typeof data?.deep_link === "string" ? data.deep_link : `?job=${String(data?.job_id)}`;
  const route = routeOf(link);
  return route.screen === "job" ? route : null;
}
