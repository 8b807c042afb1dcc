import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useCallback, useRef, useState } from "react";
import { api } from "../api/client.ts";
import { ApiProblem, answer, Cancelled } from "../api/problem.ts";
import { Dialog } from "../ui/dialog.tsx";
import { CodeField, textOf } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { type Guarded, GuardedProvider } from "../ui/guarded.ts";
import { exchangeSession } from "./session.ts";

interface Waiting {
  resolve(): void;
  reject(reason: Cancelled): void;
}

/** Puts the question for a second factor above whatever is open. */
export function StepUp({ children }: { readonly children: ReactNode }): ReactNode {
  const [open, setOpen] = useState(false);
  const waiting = useRef<Waiting>(undefined);
  const queries = useQueryClient();
  const guarded = useCallback<Guarded>(async (work) => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.code !== "access.step_up_required") throw error;
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      waiting.current = { resolve: () => resolve(undefined), reject };
      setOpen(true);
      await promise;
      return await work();
    }
  }, []);
  const close = (settle: (one: Waiting) => void): void => {
    setOpen(false);
    if (waiting.current !== undefined) settle(waiting.current);
    waiting.current = undefined;
  };
  const send = async (form: FormData): Promise<void> => {
    const body = { code: textOf(form, "code") };
    await exchangeSession(() => answer(api.POST("/v1/session/step-up", { body })));
    await queries.invalidateQueries({ queryKey: ["session"] });
    close((one) => one.resolve());
  };
  const cancel = (): void => close((one) => one.reject(new Cancelled()));
  return (
    <GuardedProvider value={guarded}>
      {children}
      {open ? (
        <Dialog title="Confirm that it is you" onClose={cancel}>
          <Form submit="Confirm" onSend={send} onCancel={cancel}>
            <p className="prose">This act needs a second factor given just now.</p>
            <CodeField />
          </Form>
        </Dialog>
      ) : null}
    </GuardedProvider>
  );
}
