import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";
import type { KeyJob } from "../api/types.ts";
import { Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { Badge, When } from "../ui/text.tsx";
import { type Scope, useKeyJobs } from "./use-keys.ts";

const STATES = {
  running: { tone: "ok", word: "running" },
  waiting: { tone: "warn", word: "waiting" },
  done: { tone: "plain", word: "done" },
} as const;

/** Rewrapping under way, and what came of earlier ones. */
export function KeyJobs({ tenant }: { readonly tenant: Scope }): ReactNode {
  const jobs = useKeyJobs(tenant);
  const queries = useQueryClient();
  const open = jobs.data?.filter(({ state }) => state !== "done").length ?? 0;
  const before = useRef(open);
  useEffect(() => {
    // A job that ended has changed which versions are in use.
    if (open < before.current) void queries.invalidateQueries({ queryKey: ["keys"] });
    before.current = open;
  }, [open, queries]);
  return (
    <section className="part" aria-labelledby="jobs">
      <header className="part-head">
        <h2 id="jobs">Rewrapping</h2>
      </header>
      <Loaded
        query={{ ...jobs, error: jobs.data === undefined ? jobs.error : null }}
        isEmpty={(rows) => rows.length === 0}
        empty={<Empty title="Nothing was rewrapped yet">It begins by itself after a rotation of a data key.</Empty>}
      >
        {(rows) => (
          <Table
            label="Rewrapping jobs"
            rows={rows}
            keyOf={({ id }) => id}
            columns={[
              { name: "What", kind: "main", cell: (job) => <What job={job} /> },
              { name: "Tenant", cell: (job) => <code>{job.tenant}</code> },
              { name: "State", cell: ({ state }) => <Badge tone={STATES[state].tone}>{STATES[state].word}</Badge> },
              { name: "Progress", cell: (job) => <Progress job={job} /> },
              { name: "Began", cell: ({ started_at: at }) => <When at={at} /> },
              {
                name: "Ended",
                cell: ({ finished_at: at, updated_at: updated }) =>
                  at === null ? (
                    <>
                      moved <When at={updated} />
                    </>
                  ) : (
                    <When at={at} />
                  ),
              },
            ]}
          />
        )}
      </Loaded>
    </section>
  );
}

function What({ job: { target, work } }: { readonly job: KeyJob }): ReactNode {
  return work === "master" ? (
    <>
      Keys under <code className="cut">{target}</code>
    </>
  ) : (
    `Row keys under version ${target}`
  );
}

function Progress({ job: { done, id, state, total } }: { readonly job: KeyJob }): ReactNode {
  // What grew while it was counted is at its end, not beyond it.
  const most = Math.max(total, done, 1);
  return (
    <span className="progress">
      <progress aria-label={`Progress of ${id}`} max={most} value={state === "done" ? most : done} />
      <small>
        {done.toLocaleString("en")} of {total.toLocaleString("en")}
      </small>
    </span>
  );
}
