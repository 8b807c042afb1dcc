import { type ReactNode, useState } from "react";
import { api } from "../api/client.ts";
import { type Paged, usePages } from "../api/pages.ts";
import { answer } from "../api/problem.ts";
import type { AuditAction, AuditEvent, Session } from "../api/types.ts";
import { Button } from "../ui/button.tsx";
import { SelectField, TextField } from "../ui/field.tsx";
import { More } from "../ui/more.tsx";
import { Page } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { Badge, When } from "../ui/text.tsx";
import { EVENT_ACTIONS } from "./actions.ts";
import { EventDetail } from "./event-detail.tsx";
import { VerifyPanel } from "./verify-panel.tsx";

const PAGE_ITEMS = 50;
const TONES: Readonly<Record<string, "ok" | "warn" | "fail">> = {
  success: "ok",
  failure: "warn",
  denied: "warn",
  error: "fail",
};

/** Who did what, newest first, with the proof that nothing of it was changed since. */
export function AuditPage({ session }: { readonly session: Session }): ReactNode {
  const [action, setAction] = useState<AuditAction>();
  const [wanted, setWanted] = useState("");
  const [open, setOpen] = useState<AuditEvent>();
  const events = useEvents(action);
  const needle = wanted.trim().toLowerCase();
  const found = events.data?.filter((event) => needle === "" || textOfEvent(event).includes(needle));
  return (
    <Page title="Audit" about={`Everything that mattered in ${session.tenant}, newest first. Reading it is in it too.`}>
      <div className="filters">
        <SelectField
          label="Action"
          value={action ?? ""}
          onChange={(event) => setAction(EVENT_ACTIONS.find((one) => one === event.currentTarget.value))}
        >
          <option value="">All actions</option>
          {EVENT_ACTIONS.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </SelectField>
        <TextField
          label="Find in what is loaded"
          type="search"
          placeholder="Actor, target, fact or request"
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
        />
        <Button onClick={() => void events.refetch()}>Refresh</Button>
      </div>
      <Loaded
        query={{ ...events, data: found }}
        isEmpty={(rows) => rows.length === 0}
        empty={
          <Empty title="Nothing found">Nothing among the loaded entries fits. Show more, or widen the search.</Empty>
        }
      >
        {(rows) => (
          <>
            <VerifyPanel session={session} shown={rows} />
            <EventTable rows={rows} onOpen={setOpen} />
          </>
        )}
      </Loaded>
      <More list={events} />
      {open === undefined ? null : <EventDetail event={open} onClose={() => setOpen(undefined)} />}
    </Page>
  );
}

function EventTable(props: {
  readonly rows: readonly AuditEvent[];
  readonly onOpen: (event: AuditEvent) => void;
}): ReactNode {
  const { onOpen, rows } = props;
  return (
    <Table
      label="Audit entries"
      rows={rows}
      keyOf={({ event }) => event}
      columns={[
        { name: "Action", kind: "main", cell: (event) => <code>{event.action}</code> },
        { name: "Outcome", cell: ({ outcome }) => <Badge tone={TONES[outcome] ?? "plain"}>{outcome}</Badge> },
        { name: "Actor", cell: ({ actor }) => <code className="cut">{actor}</code> },
        {
          name: "Target",
          cell: ({ targets: [first, ...rest] }) =>
            first === undefined ? (
              <small>none</small>
            ) : (
              <code className="cut">
                {first.type}:{first.id}
                {rest.length > 0 ? ` +${rest.length}` : ""}
              </code>
            ),
        },
        { name: "When", cell: ({ at }) => <When at={at} /> },
        { name: "No.", kind: "end", cell: ({ sequence }) => sequence },
        {
          name: "Acts",
          kind: "acts",
          cell: (event) => (
            <Button kind="quiet" aria-label={`Details of entry ${event.sequence}`} onClick={() => onOpen(event)}>
              Details
            </Button>
          ),
        },
      ]}
    />
  );
}

function useEvents(action: AuditAction | undefined): Paged<AuditEvent> {
  return usePages<AuditEvent, number>({
    key: ["audit", action],
    pageItems: PAGE_ITEMS,
    load: async (before) => {
      const query = {
        limit: String(PAGE_ITEMS),
        ...(before === undefined ? {} : { before: String(before) }),
        ...(action === undefined ? {} : { action }),
      };
      return (await answer(api.GET("/v1/audit-events", { params: { query } }))).items;
    },
    placeOf: ({ sequence }) => sequence,
  });
}

/** What a search looks at. */
function textOfEvent({ action, actor, event, facts, outcome, request_id: request, targets }: AuditEvent): string {
  return JSON.stringify([action, actor, event, facts, outcome, request, targets]).toLowerCase();
}
