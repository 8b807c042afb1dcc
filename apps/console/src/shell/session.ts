import { type QueryClient, type UseQueryResult, useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { api } from "../api/client.ts";
import { ApiProblem, answer } from "../api/problem.ts";
import type { Session } from "../api/types.ts";

/** A revoked session is to be seen within a second, and a look is answered from the server's memory. */
const LOOK_MS = 800;
/** Whoever has not moved for this long is not looked after: looking would keep an idle session alive for ever. */
const ACTIVE_MS = 60_000;
const SIGNS = ["pointermove", "pointerdown", "keydown", "focus", "scroll"] as const;

/** Who is signed in; null when nobody is. */
export function useSession(): UseQueryResult<Session | null> {
  const seen = useRef(performance.now());
  const isActive = (): boolean =>
    document.visibilityState === "visible" && performance.now() - seen.current < ACTIVE_MS;
  const query = useQuery({
    queryKey: ["session"],
    queryFn: readSession,
    refetchInterval: ({ state }) => (state.data !== undefined && state.data !== null && isActive() ? LOOK_MS : false),
  });
  const { refetch } = query;
  useEffect(() => {
    const onSign = (): void => {
      const wasActive = performance.now() - seen.current < ACTIVE_MS;
      seen.current = performance.now();
      if (!wasActive) void refetch();
    };
    for (const sign of SIGNS) addEventListener(sign, onSign, { passive: true });
    return () => {
      for (const sign of SIGNS) removeEventListener(sign, onSign);
    };
  }, [refetch]);
  return query;
}

/** Nothing of whoever was here stays, neither on the screen nor in memory. */
export function forgetSession(queries: QueryClient): void {
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
  queries.setQueryData(["session"], null);
}

/** Somebody has signed in: everything is asked anew. */
export async function beginSession(queries: QueryClient): Promise<void> {
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
  await queries.resetQueries({ queryKey: ["session"] });
}

async function readSession(): Promise<Session | null> {
  try {
    return await answer(api.GET("/v1/session"));
  } catch (error) {
    if (error instanceof ApiProblem && error.code === "identity.sign_in_required") return null;
    throw error;
  }
}
