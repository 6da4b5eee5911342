import { useCallback, useSyncExternalStore } from "react";

const subscribe = (changed: () => void): (() => void) => {
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
};
const read = (): string | null => new URLSearchParams(location.hash.slice(1)).get("job");

/** The job that the page shows, kept in its address: a reload, another tab and the back button find it there. */
export function useJobId(): [string | null, (id: string | null) => void] {
  const show = useCallback((id: string | null) => void (location.hash = id ? `job=${id}` : ""), []);
  return [useSyncExternalStore(subscribe, read), show];
}
