import { createContext, useContext } from "react";

/** The time in milliseconds, as `main.tsx` passes it in. */
export type Clock = () => number;

const ClockContext = createContext<Clock>(() => 0);

export const ClockProvider = ClockContext.Provider;

export function useClock(): Clock {
  return useContext(ClockContext);
}
