import { createContext, useContext } from "react";

/** Runs an act; where the API asks for a fresh second factor, the person is asked and the act is tried once more. */
export type Guarded = <Result>(work: () => Promise<Result>) => Promise<Result>;

const GuardedContext = createContext<Guarded>((work) => work());

export const GuardedProvider = GuardedContext.Provider;

export function useGuarded(): Guarded {
  return useContext(GuardedContext);
}
