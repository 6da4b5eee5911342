import { useEffect, useRef } from "react";

/** Whether the screen that asks is still shown: what it began may end after people have gone elsewhere. */
export function useStillHere(): () => boolean {
  const here = useRef(false);
  useEffect(() => {
    here.current = true;
    return () => void (here.current = false);
  }, []);
  return () => here.current;
}
