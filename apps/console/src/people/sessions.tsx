import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import type { OwnSession, Session } from "../api/types.ts";
import { isAdministrator } from "../shell/navigation.ts";
import { Button } from "../ui/button.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { SelectField } from "../ui/field.tsx";
import { Page } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { Badge, When } from "../ui/text.tsx";
import { browserOf } from "./browser.ts";
import { useUsers } from "./use-users.ts";

/** Where somebody is signed in, and ending that. */
export function SessionsPage({ session }: { readonly session: Session }): ReactNode {
  const [user, setUser] = useState(session.user);
  const [ending, setEnding] = useState<OwnSession>();
  const queries = useQueryClient();
  const sessions = useQuery({
    queryKey: ["sessions", user],
    queryFn: async () => {
      const query = user === session.user ? {} : { user };
      return (await answer(api.GET("/v1/sessions", { params: { query } }))).items;
    },
  });
  const end = async ({ sid }: OwnSession): Promise<void> => {
    await answer(api.DELETE("/v1/sessions/{sid}", { params: { path: { sid } } }));
    await queries.invalidateQueries({ queryKey: ["sessions"] });
    // One's own may have been it.
    await queries.invalidateQueries({ queryKey: ["session"] });
  };
  return (
    <Page title="Sessions" about="Where somebody is signed in. Ending a session holds everywhere within a second.">
      {isAdministrator(session) ? <Whose session={session} user={user} onUser={setUser} /> : null}
      <Loaded
        query={sessions}
        isEmpty={(rows) => rows.length === 0}
        empty={<Empty title="No session">This person is signed in nowhere.</Empty>}
      >
        {(rows) => (
          <Table
            label="Sessions"
            rows={rows}
            keyOf={({ sid }) => sid}
            columns={[
              { name: "Browser or program", kind: "main", cell: (row) => <Where row={row} /> },
              { name: "Network", cell: ({ address_prefix: prefix }) => <code>{prefix ?? "this machine"}</code> },
              {
                name: "Signed in with",
                cell: ({ aal }) => (aal > 1 ? <Badge tone="ok">second factor</Badge> : <Badge>password</Badge>),
              },
              { name: "Began", cell: ({ created_at }) => <When at={created_at} /> },
              { name: "Last seen", cell: ({ last_seen_at }) => <When at={last_seen_at} /> },
              { name: "Ends", cell: ({ expires_at }) => <When at={expires_at} /> },
              {
                name: "Acts",
                kind: "acts",
                cell: (row) => (
                  <Button kind="quiet" aria-label={`End session ${row.sid}`} onClick={() => setEnding(row)}>
                    End
                  </Button>
                ),
              },
            ]}
          />
        )}
      </Loaded>
      {ending === undefined ? null : (
        <Confirm
          title="End session"
          submit="End session"
          onConfirm={() => end(ending)}
          onClose={() => setEnding(undefined)}
        >
          <p>
            {ending.current ? "This is the session you are using: you will be signed out." : "It ends within a second."}
          </p>
        </Confirm>
      )}
    </Page>
  );
}

function Where({ row: { current, sid, user_agent: agent } }: { readonly row: OwnSession }): ReactNode {
  return (
    <span className="two-lines">
      <span title={agent ?? undefined}>
        {browserOf(agent)} {current ? <Badge tone="ok">this one</Badge> : null}
      </span>
      <small>
        <code>{sid}</code>
      </small>
    </span>
  );
}

interface WhoseProps {
  readonly session: Session;
  readonly user: string;
  readonly onUser: (user: string) => void;
}

function Whose({ onUser, session, user }: WhoseProps): ReactNode {
  const { data = [] } = useUsers();
  return (
    <div className="filters">
      <SelectField label="Whose" value={user} onChange={(event) => onUser(event.currentTarget.value)}>
        <option value={session.user}>Mine</option>
        {data
          .filter(({ id }) => id !== session.user)
          .map(({ email, id, name }) => (
            <option key={id} value={id}>
              {name} ({email})
            </option>
          ))}
      </SelectField>
    </div>
  );
}
