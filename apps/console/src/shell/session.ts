import { type QueryClient, type UseQueryResult, useQuery } from "@tanstack/react-query";
import { api } from "../api/client.ts";
import { ApiProblem, answer } from "../api/problem.ts";
import type { Session } from "../api/types.ts";
import { usePresence } from "./presence.ts";

/** A session that ended is to leave the screen within a second: two looks, and time to draw. */
const LOOK_MS = 400;
/** Whoever is at the page uses their session, also while they only read. */
const USE_MS = 60_000;

/** Who is signed in; null when nobody is. */
export function useSession(): UseQueryResult<Session | null> {
  const present = usePresence();
  const query = useQuery({
    queryKey: ["session"],
    queryFn: readSession,
    refetchInterval: ({ state }) => (present && isSignedIn(state.data) ? USE_MS : false),
  });
  // Looked at by whoever sees the page, at it or not: that is no use, so an idle session ends and is seen to end.
  useQuery({
    queryKey: ["session-state"],
    queryFn: () => answer(api.GET("/v1/session/state")),
    enabled: isSignedIn(query.data),
    refetchInterval: LOOK_MS,
    staleTime: 0,
    retry: false,
  });
  return query;
}

function isSignedIn(session: Session | null | undefined): boolean {
  return session !== undefined && session !== null;
}

/** Nothing of whoever was here stays, neither on the screen nor in memory. */
export function forgetSession(queries: QueryClient): void {
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
  queries.setQueryData(["session"], null);
}

/** The exchange of this browser's session for another that is under way. */
let exchanged: Promise<unknown> = Promise.resolve();

/** Runs what replaces the session: until it is through, nobody takes the end of the old one for the end. */
export async function exchangeSession<Result>(work: () => Promise<Result>): Promise<Result> {
  const working = work();
  exchanged = working.catch(() => undefined);
  return await working;
}

/**
 * Something was told to sign in first. The session may be over, or was replaced while that was on its way: asks once
 * more with what the browser has now.
 */
export async function sessionMayBeOver(queries: QueryClient): Promise<void> {
  try {
    if ((await readSession()) === null) forgetSession(queries);
  } catch (error) {
    // No answer tells nothing; the next look asks again.
    if (!(error instanceof ApiProblem)) throw error;
  }
}

/** Somebody has signed in: everything is asked anew. */
export async function beginSession(queries: QueryClient): Promise<void> {
  queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
  await queries.resetQueries({ queryKey: ["session"] });
}

async function readSession(): Promise<Session | null> {
  await exchanged;
  try {
    return await answer(api.GET("/v1/session"));
  } catch (error) {
    if (error instanceof ApiProblem && error.code === "identity.sign_in_required") return null;
    throw error;
  }
}
