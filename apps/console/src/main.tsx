/**
 * The console in a browser: React under the server's own policy, talking to the API by its description alone.
 *
 * Guards: all text is put in as text; the session is a cookie that no script reads; nothing is kept in the browser's
 * storage; a link's token is taken out of the address before anything is drawn. Decides nothing: what is offered is a
 * convenience, and what is allowed is the API's word.
 *
 * @module
 */
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiProblem } from "./api/problem.ts";
import { App } from "./app.tsx";
import { ClockProvider } from "./clock.ts";
import { takeToken } from "./entrance/fragment.ts";
import { sessionMayBeOver } from "./shell/session.ts";
import { StepUp } from "./shell/step-up.tsx";

const FRESH_MS = 5_000;

const token = takeToken(window);
const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError(error) {
      // Wherever it is noticed first that the session is over, nothing of it stays on the screen.
      if (!(error instanceof ApiProblem) || error.code !== "identity.sign_in_required") return;
      void sessionMayBeOver(queries);
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: FRESH_MS,
      // A refusal stays one; only a server that did not answer is asked once more.
      retry: (failures, error) => failures < 1 && error instanceof ApiProblem && error.code === "network",
    },
  },
});

const place = document.querySelector("#console");
if (place !== null) {
  createRoot(place).render(
    <StrictMode>
      {/* tidy-allow(clock): where the browser's clock comes in; everything below takes it as a value. */}
      <ClockProvider value={Date.now}>
        <QueryClientProvider client={queries}>
          <StepUp>
            <App token={token} />
          </StepUp>
        </QueryClientProvider>
      </ClockProvider>
    </StrictMode>,
  );
}
