import { type FormEvent, type ReactNode, useState } from "react";
import { type ApiProblem, asProblem, Cancelled } from "../api/problem.ts";
import { Button } from "./button.tsx";
import { useGuarded } from "./guarded.ts";
import { ProblemNotice } from "./notice.tsx";

interface Act {
  readonly busy: boolean;
  readonly problem: ApiProblem | undefined;
  run(work: () => Promise<void>): Promise<void>;
}

/** Runs one act at a time, asks for a fresh second factor where the API wants one, and keeps what went wrong. */
export function useAct(): Act {
  const guarded = useGuarded();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem>();
  return {
    busy,
    problem,
    async run(work) {
      setBusy(true);
      setProblem(undefined);
      try {
        await guarded(work);
      } catch (error) {
        if (!(error instanceof Cancelled)) setProblem(asProblem(error));
      } finally {
        setBusy(false);
      }
    },
  };
}

interface FormProps {
  readonly submit: string;
  readonly kind?: "primary" | "danger";
  readonly disabled?: boolean;
  /** Gets what was typed. Whatever it throws is shown in the form. */
  readonly onSend: (form: FormData) => Promise<void>;
  readonly onCancel?: () => void;
  readonly children: ReactNode;
}

export function Form({ children, disabled = false, kind = "primary", onCancel, onSend, submit }: FormProps): ReactNode {
  const act = useAct();
  const send = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    void act.run(() => onSend(form));
  };
  return (
    <form className="form" onSubmit={send}>
      {children}
      {act.problem === undefined ? null : <ProblemNotice problem={act.problem} />}
      <div className="acts">
        <Button type="submit" kind={kind} busy={act.busy} disabled={disabled}>
          {submit}
        </Button>
        {onCancel === undefined ? null : <Button onClick={onCancel}>Cancel</Button>}
      </div>
    </form>
  );
}
