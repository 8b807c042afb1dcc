import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api } from "../api/client.ts";
import { usePages } from "../api/pages.ts";
import { answer } from "../api/problem.ts";
import type { AuditEvent, Invitation, Session } from "../api/types.ts";
import { Button } from "../ui/button.tsx";
import { Confirm, Dialog } from "../ui/dialog.tsx";
import { TextField, textOf } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { More } from "../ui/more.tsx";
import { Page } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { Badge, LinkOnce, When } from "../ui/text.tsx";
import { ROLES, RoleField } from "./user-acts.tsx";

const LIMIT = "50";
const PAGE_ITEMS = 200;

/** Inviting somebody, who was invited and has not come yet, and who was invited lately, as the audit log has it. */
export function InvitationsPage({ session }: { readonly session: Session }): ReactNode {
  const [inviting, setInviting] = useState(false);
  const invite = (
    <Button kind="primary" onClick={() => setInviting(true)}>
      Invite
    </Button>
  );
  return (
    <Page title="Invitations" about={`How people join ${session.tenant}: a link, used once.`} acts={invite}>
      <Waiting />
      <Lately />
      {inviting ? <Invite onClose={() => setInviting(false)} /> : null}
    </Page>
  );
}

function Waiting(): ReactNode {
  const [withdrawing, setWithdrawing] = useState<string>();
  const waiting = usePages<Invitation, string>({
    key: ["invitations"],
    pageItems: PAGE_ITEMS,
    load: async (after) => {
      const query = after === undefined ? {} : { after };
      return (await answer(api.GET("/v1/invitations", { params: { query } }))).items;
    },
    placeOf: ({ email }) => email,
  });
  return (
    <>
      <Loaded
        query={waiting}
        isEmpty={(rows) => rows.length === 0}
        empty={<Empty title="Nobody is waited for">Invite somebody; you get a link to give to them.</Empty>}
      >
        {(rows) => (
          <Table
            label="Invitations that wait"
            rows={rows}
            keyOf={({ email }) => email}
            columns={[
              { name: "Waiting for", kind: "main", cell: ({ email }) => email },
              { name: "Role", cell: ({ role }) => <Badge>{role}</Badge> },
              { name: "By", cell: ({ invited_by: by }) => (by === null ? "the operator" : <code>{by}</code>) },
              { name: "Invited", cell: ({ created_at: at }) => <When at={at} /> },
              { name: "Ends", cell: ({ expires_at: at }) => <When at={at} /> },
              {
                name: "Acts",
                kind: "acts",
                cell: ({ email }) => (
                  <Button
                    kind="quiet"
                    aria-label={`Withdraw invitation of ${email}`}
                    onClick={() => setWithdrawing(email)}
                  >
                    Withdraw
                  </Button>
                ),
              },
            ]}
          />
        )}
      </Loaded>
      <More list={waiting} />
      {withdrawing === undefined ? null : <Withdraw email={withdrawing} onClose={() => setWithdrawing(undefined)} />}
    </>
  );
}

function Withdraw({ email, onClose }: { readonly email: string; readonly onClose: () => void }): ReactNode {
  const queries = useQueryClient();
  const withdraw = async (): Promise<void> => {
    await answer(api.POST("/v1/invitations/withdraw", { body: { email } }));
    await queries.invalidateQueries({ queryKey: ["invitations"] });
  };
  return (
    <Confirm title="Withdraw invitation" submit="Withdraw" onConfirm={withdraw} onClose={onClose}>
      <p>The link that {email} was given is worth nothing from then on. They can be invited again.</p>
    </Confirm>
  );
}

function Lately(): ReactNode {
  const invited = useQuery({
    queryKey: ["invited"],
    queryFn: async () =>
      (await answer(api.GET("/v1/audit-events", { params: { query: { action: "user.invited", limit: LIMIT } } })))
        .items,
  });
  return (
    <section className="part" aria-labelledby="lately">
      <header className="part-head">
        <h2 id="lately">Invited lately</h2>
      </header>
      <Loaded
        query={invited}
        isEmpty={(rows) => rows.length === 0}
        empty={<Empty title="Nobody was invited yet">The audit log has no invitation.</Empty>}
      >
        {(rows) => (
          <Table
            label="Invited lately"
            rows={rows}
            keyOf={({ event }) => event}
            columns={[
              { name: "Invited", kind: "main", cell: (row) => invitedAddress(row) },
              {
                name: "Role",
                cell: ({ facts }) => <Badge>{typeof facts["role"] === "string" ? facts["role"] : "unknown"}</Badge>,
              },
              { name: "By", cell: ({ actor }) => <code>{actor}</code> },
              { name: "When", cell: ({ at }) => <When at={at} /> },
            ]}
          />
        )}
      </Loaded>
    </section>
  );
}

/** The address is a personal value: sealed, and shown where the reader may see it. */
function invitedAddress({ detail, targets }: AuditEvent): ReactNode {
  if (typeof detail === "object" && detail !== null && "personal" in detail) {
    const { personal } = detail;
    if (typeof personal === "object" && personal !== null && "email" in personal) return String(personal.email);
  }
  return <code>{targets[0]?.id ?? "unknown"}</code>;
}

function Invite({ onClose }: { readonly onClose: () => void }): ReactNode {
  const queries = useQueryClient();
  const [issued, setIssued] = useState<{ readonly link: string; readonly expires_at: string }>();
  const send = async (form: FormData): Promise<void> => {
    const role = ROLES.find((one) => one === textOf(form, "role")) ?? "viewer";
    const body = { email: textOf(form, "email").trim(), role };
    setIssued(await answer(api.POST("/v1/invitations", { body })));
    await queries.invalidateQueries({ queryKey: ["invitations"] });
    await queries.invalidateQueries({ queryKey: ["invited"] });
  };
  return (
    <Dialog title="Invite somebody" onClose={onClose}>
      {issued === undefined ? (
        <Form submit="Invite" onSend={send} onCancel={onClose}>
          <TextField label="E-mail" name="email" type="email" autoComplete="off" required />
          <RoleField value="viewer" hint="Administrators and owners set up a second factor as they join." />
        </Form>
      ) : (
        <LinkOnce link={issued.link} expiresAt={issued.expires_at} />
      )}
    </Dialog>
  );
}
