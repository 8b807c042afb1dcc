import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import type { User } from "../api/types.ts";
import { Button } from "../ui/button.tsx";
import { Confirm, Dialog } from "../ui/dialog.tsx";
import { SelectField, textOf } from "../ui/field.tsx";
import { Form, useAct } from "../ui/form.tsx";
import { ProblemNotice } from "../ui/notice.tsx";
import { LinkOnce } from "../ui/text.tsx";

/** What can be done with somebody; `menu` is the choice among the others. */
export type UserAct = "menu" | "disable" | "sessions" | "password" | "factor";

export const ROLES = ["viewer", "editor", "admin", "owner"] as const;
type Role = (typeof ROLES)[number];

interface UserDialogProps {
  readonly act: UserAct;
  readonly user: User;
  readonly onAct: (act: UserAct) => void;
  readonly onClose: () => void;
}

export function UserDialog({ act, onAct, onClose, user }: UserDialogProps): ReactNode {
  switch (act) {
    case "menu":
      return <Manage user={user} onAct={onAct} onClose={onClose} />;
    case "disable":
      return <Disable user={user} onClose={onClose} />;
    case "sessions":
      return <EndSessions user={user} onClose={onClose} />;
    case "password":
    case "factor":
      return <Recover kind={act} user={user} onClose={onClose} />;
  }
}

function Manage({ onAct, onClose, user }: Omit<UserDialogProps, "act">): ReactNode {
  const queries = useQueryClient();
  const enabling = useAct();
  const params = { path: { id: user.id } };
  const changeRole = async (form: FormData): Promise<void> => {
    const role = ROLES.find((one) => one === textOf(form, "role")) ?? "viewer";
    await answer(api.PUT("/v1/users/{id}/role", { params, body: { role } }));
    await queries.invalidateQueries({ queryKey: ["users"] });
    onClose();
  };
  const enable = async (): Promise<void> => {
    await answer(api.POST("/v1/users/{id}/enable", { params }));
    await queries.invalidateQueries({ queryKey: ["users"] });
    onClose();
  };
  return (
    <Dialog title={user.name} onClose={onClose}>
      <p className="prose">{user.email}</p>
      <Form submit="Change role" onSend={changeRole}>
        <RoleField value={user.role} hint="The change holds at once, for sessions that are open too." />
      </Form>
      <div className="choices">
        <Button onClick={() => onAct("password")}>Recovery link for a lost password</Button>
        <Button onClick={() => onAct("factor")}>Recovery link for a lost second factor</Button>
        <Button onClick={() => onAct("sessions")}>End all sessions</Button>
        {user.status === "disabled" ? (
          <Button busy={enabling.busy} onClick={() => void enabling.run(enable)}>
            Let in again
          </Button>
        ) : (
          <Button kind="danger" onClick={() => onAct("disable")}>
            Disable
          </Button>
        )}
      </div>
      {enabling.problem === undefined ? null : <ProblemNotice problem={enabling.problem} />}
    </Dialog>
  );
}

export function RoleField({ hint, value }: { readonly value: string; readonly hint?: string }): ReactNode {
  const known: Role = ROLES.find((role) => role === value) ?? "viewer";
  return (
    <SelectField label="Role" name="role" defaultValue={known} hint={hint}>
      <option value="viewer">viewer: reads</option>
      <option value="editor">editor: reads and changes their own</option>
      <option value="admin">admin: everything but billing, tenants and owners</option>
      <option value="owner">owner: everything</option>
    </SelectField>
  );
}

interface OneUser {
  readonly user: User;
  readonly onClose: () => void;
}

function Disable({ onClose, user }: OneUser): ReactNode {
  const queries = useQueryClient();
  const disable = async (): Promise<void> => {
    await answer(api.POST("/v1/users/{id}/disable", { params: { path: { id: user.id } } }));
    await queries.invalidateQueries({ queryKey: ["users"] });
  };
  return (
    <Confirm title={`Disable ${user.name}`} submit="Disable" typed={user.email} onConfirm={disable} onClose={onClose}>
      <p>Their sessions end at once and they cannot sign in until somebody lets them in again.</p>
    </Confirm>
  );
}

function EndSessions({ onClose, user }: OneUser): ReactNode {
  const end = async (): Promise<void> => {
    await answer(api.DELETE("/v1/users/{id}/sessions", { params: { path: { id: user.id } } }));
  };
  return (
    <Confirm title={`End all sessions of ${user.name}`} submit="End sessions" onConfirm={end} onClose={onClose}>
      <p>They are signed out everywhere within a second, and can sign in again.</p>
    </Confirm>
  );
}

function Recover({ kind, onClose, user }: OneUser & { readonly kind: "password" | "factor" }): ReactNode {
  const [issued, setIssued] = useState<{ readonly link: string; readonly expires_at: string }>();
  const issue = async (): Promise<void> => {
    const params = { path: { id: user.id } };
    setIssued(await answer(api.POST("/v1/users/{id}/recoveries", { params, body: { kind } })));
  };
  const lost = kind === "password" ? "password" : "second factor";
  return (
    <Dialog title={`Recovery of a lost ${lost}`} onClose={onClose}>
      {issued === undefined ? (
        <Form submit="Make the link" kind="danger" onSend={issue} onCancel={onClose}>
          <div className="prose">
            <p>
              Whoever has the link can replace the {lost} of {user.name}. Make sure that you talk to that person, over a
              way you knew before they asked.
            </p>
          </div>
        </Form>
      ) : (
        <LinkOnce link={issued.link} expiresAt={issued.expires_at} />
      )}
    </Dialog>
  );
}
