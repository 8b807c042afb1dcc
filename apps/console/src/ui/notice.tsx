import type { ReactNode } from "react";
import { type ApiProblem, explain } from "../api/problem.ts";
import { Icon } from "./icons.tsx";

/** What went wrong, with the id under which the server's log has the reason. */
export function ProblemNotice({ problem }: { readonly problem: ApiProblem }): ReactNode {
  return (
    <div className="notice fail" role="alert">
      <Icon name="fail" />
      <div>
        <p>{explain(problem)}</p>
        {problem.requestId === undefined ? null : (
          <p className="request-id">
            Request <code>{problem.requestId}</code>
          </p>
        )}
      </div>
    </div>
  );
}

export function Notice({ children, kind }: { readonly kind: "ok" | "warn"; readonly children: ReactNode }): ReactNode {
  return (
    <div className={`notice ${kind}`} role="status">
      <Icon name={kind} />
      <div>{children}</div>
    </div>
  );
}
