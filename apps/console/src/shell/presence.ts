import { useEffect, useState } from "react";

/** Whoever has not moved for this long is taken for gone: asking on their behalf would keep an idle session alive. */
const PRESENT_MS = 60_000;
const SIGNS = ["pointermove", "pointerdown", "keydown", "focus", "scroll"] as const;

/** Whether somebody is at the page. What asks again by itself asks only then. */
export function usePresence(): boolean {
  const [present, setPresent] = useState(true);
  useEffect(() => {
    let leaving: ReturnType<typeof setTimeout> | undefined;
    const onSign = (): void => {
      clearTimeout(leaving);
      leaving = setTimeout(() => setPresent(false), PRESENT_MS);
      setPresent(true);
    };
    onSign();
    for (const sign of SIGNS) addEventListener(sign, onSign, { passive: true });
    return () => {
      clearTimeout(leaving);
      for (const sign of SIGNS) removeEventListener(sign, onSign);
    };
  }, []);
  return present;
}
