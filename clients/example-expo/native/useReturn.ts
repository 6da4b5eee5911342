import { useEffect } from "react";
import { AppState } from "react-native";

/** Calls `back` when the app or tab is looked at again; signed addresses have run out by then. */
export function useReturn(back: () => void): void {
  useEffect(() => {
    const states = AppState.addEventListener("change", (state) => state === "active" && back());
    return () => states.remove();
  }, [back]);
}
