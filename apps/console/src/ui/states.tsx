import type { ReactNode } from "react";
import { type ApiProblem, asProblem, explain } from "../api/problem.ts";
import { Button } from "./button.tsx";
import { Icon, type IconName } from "./icons.tsx";

function State({ children, icon, title }: { icon: IconName; title: string; children: ReactNode }): ReactNode {
  return (
    <div className="state">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Rows to come. Said once to whoever cannot see them. */
export function Loading(): ReactNode {
  return (
    <div className="loading" role="status">
      <span className="unseen">Loading</span>
      {[1, 2, 3, 4, 5].map((row) => (
        <div key={row} className="bone" aria-hidden="true" />
      ))}
    </div>
  );
}

export function Empty({ children, title }: { readonly title: string; readonly children: ReactNode }): ReactNode {
  return (
    <State icon="empty" title={title}>
      <p>{children}</p>
    </State>
  );
}

function NoPermission(): ReactNode {
  return (
    <State icon="secrets" title="Not yours to see">
      <p>Your role does not include this. An owner or administrator of your tenant can change your role.</p>
    </State>
  );
}

function Failed({ again, problem }: { readonly problem: ApiProblem; readonly again: () => void }): ReactNode {
  return (
    <State icon="fail" title="This could not be loaded">
      <p role="alert">{explain(problem)}</p>
      {problem.requestId === undefined ? null : (
        <p className="request-id">
          Request <code>{problem.requestId}</code>
        </p>
      )}
      <Button onClick={again}>Try again</Button>
    </State>
  );
}

interface Asked<Data> {
  readonly data: Data | undefined;
  readonly error: Error | null;
  readonly refetch: () => unknown;
}

interface LoadedProps<Data> {
  readonly query: Asked<Data>;
  readonly isEmpty?: (data: Data) => boolean;
  readonly empty?: ReactNode;
  readonly children: (data: Data) => ReactNode;
}

/** One of: what was asked for, that there is none, that it is coming, that it may not be seen, that it failed. */
export function Loaded<Data>({ children, empty, isEmpty, query }: LoadedProps<Data>): ReactNode {
  const { data, error, refetch } = query;
  if (error !== null) {
    const problem = asProblem(error);
    if (problem.status === 403) return <NoPermission />;
    return <Failed problem={problem} again={() => void refetch()} />;
  }
  if (data === undefined) return <Loading />;
  if (isEmpty?.(data) === true) return empty;
  return children(data);
}
