import type { ReactNode } from "react";
import type { AuditEvent } from "../api/types.ts";
import { Dialog } from "../ui/dialog.tsx";
import { At } from "../ui/text.tsx";

/** One entry with all that it says. */
export function EventDetail({
  event,
  onClose,
}: {
  readonly event: AuditEvent;
  readonly onClose: () => void;
}): ReactNode {
  const { action, actor, at, detail, event: id, facts, outcome, request_id: request, sequence, targets } = event;
  const rows: readonly (readonly [string, ReactNode])[] = [
    ["Action", <code key="action">{action}</code>],
    ["Outcome", outcome],
    ["When", <At key="at" at={at} />],
    ["Actor", <code key="actor">{actor}</code>],
    ...targets.map(({ id: target, type }) => [`Target: ${type}`, <code key={target}>{target}</code>] as const),
    ...Object.entries(facts).map(
      ([name, value]) => [`Fact: ${name}`, <code key={name}>{String(value)}</code>] as const,
    ),
    ...personal(detail),
    ["Request", request === null ? "none" : <code key="request">{request}</code>],
    ["Event", <code key="event">{id}</code>],
  ];
  return (
    <Dialog title={`Entry #${sequence}`} onClose={onClose}>
      <dl className="detail">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

/** Personal values are sealed apart from the chain, so that a person can be erased and the proof still holds. */
function personal(detail: unknown): readonly (readonly [string, ReactNode])[] {
  if (detail === null || detail === undefined) return [];
  if (typeof detail !== "object") return [["Personal values", "erased, or not what was committed to"]];
  return Object.entries(detail).flatMap(([name, value]): (readonly [string, ReactNode])[] =>
    typeof value === "object" && value !== null
      ? Object.entries(value).map(([part, one]) => [`Person: ${part}`, String(one)] as const)
      : [[`Person: ${name}`, String(value)]],
  );
}
