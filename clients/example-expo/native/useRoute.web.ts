import { useCallback, useEffect, useState } from "react";
import { routeOf, type Route } from "../logic/route";

/** What the page shows: moved by its buttons, and by its address (`?job=ID`) with the browser's back button. */
export function useRoute(): [Route, (route: Route) => void] {
  const [route, setRoute] = useState<Route>(() => routeOf(location.href));
  const show = useCallback((next: Route) => {
    history.pushState(null, "", next.screen === "job" ? `?job=${next.jobId}` : location.pathname);
    setRoute(next);
  }, []);
  useEffect(() => {
    const back = (): void => setRoute(routeOf(location.href));
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  return [route, show];
}
