import { type ReactNode, useState } from "react";
import { Link } from "wouter";
import type { Session, User } from "../api/types.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { More } from "../ui/more.tsx";
import { Page } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { Badge } from "../ui/text.tsx";
import { useUsers } from "./use-users.ts";
import { type UserAct, UserDialog } from "./user-acts.tsx";

/** The people of one's tenant: their roles, and who may come in. */
export function UsersPage({ session }: { readonly session: Session }): ReactNode {
  const [open, setOpen] = useState<{ readonly act: UserAct; readonly user: User }>();
  const [wanted, setWanted] = useState("");
  const users = useUsers();
  const needle = wanted.trim().toLowerCase();
  const fits = ({ email, name, role }: User): boolean => `${name} ${email} ${role}`.toLowerCase().includes(needle);
  const invite = (
    <Link href="/invitations" className="button primary">
      Invite
    </Link>
  );
  return (
    <Page title="Users" about={`Everybody in ${session.tenant}, with one role each.`} acts={invite}>
      <div className="filters">
        <TextField
          label="Find"
          type="search"
          placeholder="Name, e-mail or role"
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
        />
      </div>
      <Loaded
        query={{ ...users, data: users.data?.filter(fits) }}
        isEmpty={(rows) => rows.length === 0}
        empty={<Empty title="Nobody found">Nobody among those loaded fits what you typed.</Empty>}
      >
        {(rows) => <UserTable rows={rows} session={session} onManage={(user) => setOpen({ act: "menu", user })} />}
      </Loaded>
      <More list={users} />
      {open === undefined ? null : (
        <UserDialog
          act={open.act}
          user={open.user}
          onAct={(act) => setOpen({ ...open, act })}
          onClose={() => setOpen(undefined)}
        />
      )}
    </Page>
  );
}

interface UserTableProps {
  readonly rows: readonly User[];
  readonly session: Session;
  readonly onManage: (user: User) => void;
}

function UserTable({ onManage, rows, session }: UserTableProps): ReactNode {
  return (
    <Table
      label="Users"
      rows={rows}
      keyOf={({ id }) => id}
      columns={[
        { name: "Name", kind: "main", cell: (user) => <Person user={user} session={session} /> },
        { name: "Role", cell: ({ role }) => <Badge>{role}</Badge> },
        {
          name: "Second factor",
          cell: ({ second_factor: has }) => (has ? <Badge tone="ok">set up</Badge> : <Badge>none</Badge>),
        },
        {
          name: "Status",
          cell: ({ status }) => <Badge tone={status === "active" ? "ok" : "warn"}>{status}</Badge>,
        },
        {
          name: "Acts",
          kind: "acts",
          cell: (user) =>
            user.id === session.user ? null : (
              <Button kind="quiet" aria-label={`Manage ${user.name}`} onClick={() => onManage(user)}>
                Manage
              </Button>
            ),
        },
      ]}
    />
  );
}

function Person({ session, user }: { readonly user: User; readonly session: Session }): ReactNode {
  return (
    <span className="two-lines">
      <span>
        {user.name} {user.id === session.user ? <Badge>you</Badge> : null}
      </span>
      <small>{user.email}</small>
    </span>
  );
}
