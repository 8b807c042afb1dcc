import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import type { Tenant } from "../api/types.ts";
import { useTenants } from "../people/use-tenants.ts";
import { PLATFORM } from "../shell/navigation.ts";
import { Button } from "../ui/button.tsx";
import { Confirm, Dialog } from "../ui/dialog.tsx";
import { TextField, textOf } from "../ui/field.tsx";
import { Form, useAct } from "../ui/form.tsx";
import { More } from "../ui/more.tsx";
import { ProblemNotice } from "../ui/notice.tsx";
import { Page } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { Badge, LinkOnce, When } from "../ui/text.tsx";

type Open =
  | { readonly what: "create" }
  | { readonly what: "suspend"; readonly tenant: Tenant }
  | { readonly what: "invite"; readonly tenant: Tenant };

/** The register of tenants, for the platform's owners. */
export function TenantsPage(): ReactNode {
  const [open, setOpen] = useState<Open>();
  const tenants = useTenants();
  const create = (
    <Button kind="primary" onClick={() => setOpen({ what: "create" })}>
      Create tenant
    </Button>
  );
  return (
    <Page title="Tenants" about="Every customer of this installation, each behind a wall of its own." acts={create}>
      <Loaded
        query={tenants}
        isEmpty={(rows) => rows.length === 0}
        empty={<Empty title="No tenant yet">Create the first one, then invite its owner.</Empty>}
      >
        {(rows) => (
          <Table
            label="Tenants"
            rows={rows}
            keyOf={({ id }) => id}
            columns={[
              { name: "Tenant", kind: "main", cell: ({ id }) => <code>{id}</code> },
              { name: "Name", cell: ({ name }) => name },
              { name: "Environment", cell: (tenant) => <Environment tenant={tenant} /> },
              { name: "Status", cell: (tenant) => <Status tenant={tenant} /> },
              { name: "Created", cell: ({ created_at }) => <When at={created_at} /> },
              { name: "Acts", kind: "acts", cell: (tenant) => <TenantActs tenant={tenant} onOpen={setOpen} /> },
            ]}
          />
        )}
      </Loaded>
      <More list={tenants} />
      <OpenDialog open={open} onClose={() => setOpen(undefined)} />
    </Page>
  );
}

function Environment({ tenant: { account, environment } }: { readonly tenant: Tenant }): ReactNode {
  return account === null ? (
    environment
  ) : (
    <>
      {environment} of <code>{account}</code>
    </>
  );
}

function Status({ tenant }: { readonly tenant: Tenant }): ReactNode {
  const { deletion_at: planned, status } = tenant;
  return (
    <>
      <Badge tone={status === "active" ? "ok" : "warn"}>{status}</Badge>
      {planned === null || status === "deleting" ? null : (
        <>
          {" "}
          <Badge tone="warn">
            deleted <When at={planned} />
          </Badge>
        </>
      )}
    </>
  );
}

function TenantActs({ onOpen, tenant }: { readonly tenant: Tenant; readonly onOpen: (open: Open) => void }): ReactNode {
  const act = useAct();
  const queries = useQueryClient();
  // The operators' own tenant is never suspended, and gets its people by invitation.
  if (tenant.id === PLATFORM) return null;
  // An end that has begun is not undone.
  if (tenant.status === "deleting" || tenant.status === "deleted") return null;
  const undo = async (): Promise<void> => {
    await answer(api.DELETE("/v1/tenants/{id}/deletion", { params: { path: { id: tenant.id } } }));
    await queries.invalidateQueries({ queryKey: ["tenants"] });
  };
  const resume = async (): Promise<void> => {
    await answer(api.POST("/v1/tenants/{id}/resume", { params: { path: { id: tenant.id } } }));
    await queries.invalidateQueries({ queryKey: ["tenants"] });
  };
  return (
    <>
      <Button
        kind="quiet"
        aria-label={`Invite owner of ${tenant.id}`}
        onClick={() => onOpen({ what: "invite", tenant })}
      >
        Invite owner
      </Button>
      {tenant.status === "suspended" ? (
        <Button kind="quiet" busy={act.busy} aria-label={`Resume ${tenant.id}`} onClick={() => void act.run(resume)}>
          Resume
        </Button>
      ) : (
        <Button kind="quiet" aria-label={`Suspend ${tenant.id}`} onClick={() => onOpen({ what: "suspend", tenant })}>
          Suspend
        </Button>
      )}
      {tenant.deletion_at === null ? null : (
        <Button
          kind="quiet"
          busy={act.busy}
          aria-label={`Undo the deletion of ${tenant.id}`}
          onClick={() => void act.run(undo)}
        >
          Undo deletion
        </Button>
      )}
      {act.problem === undefined ? null : <ProblemNotice problem={act.problem} />}
    </>
  );
}

function OpenDialog({ onClose, open }: { readonly open: Open | undefined; readonly onClose: () => void }): ReactNode {
  const queries = useQueryClient();
  if (open === undefined) return null;
  if (open.what === "create") return <CreateTenant onClose={onClose} />;
  if (open.what === "invite") return <InviteOwner tenant={open.tenant} onClose={onClose} />;
  const { id } = open.tenant;
  const suspend = async (): Promise<void> => {
    await answer(api.POST("/v1/tenants/{id}/suspend", { params: { path: { id } } }));
    await queries.invalidateQueries({ queryKey: ["tenants"] });
  };
  return (
    <Confirm title="Suspend tenant" submit="Suspend" typed={id} onConfirm={suspend} onClose={onClose}>
      <p>Nobody in this tenant can sign in or act until it is resumed; what runs ends at once. No data is lost.</p>
    </Confirm>
  );
}

function CreateTenant({ onClose }: { readonly onClose: () => void }): ReactNode {
  const queries = useQueryClient();
  const send = async (form: FormData): Promise<void> => {
    const body = { id: textOf(form, "id").trim(), name: textOf(form, "name").trim() };
    await answer(api.POST("/v1/tenants", { body }));
    await queries.invalidateQueries({ queryKey: ["tenants"] });
    onClose();
  };
  return (
    <Dialog title="Create tenant" onClose={onClose}>
      <Form submit="Create" onSend={send} onCancel={onClose}>
        <TextField
          label="Tenant id"
          name="id"
          pattern="[a-z0-9_\-]{3,50}"
          title="3 to 50 small letters, digits, - or _"
          autoCapitalize="none"
          autoComplete="off"
          required
          hint="Small letters, digits, - and _. It never changes: people sign in with it."
        />
        <TextField label="Name" name="name" maxLength={100} autoComplete="off" required />
      </Form>
    </Dialog>
  );
}

function InviteOwner({ onClose, tenant }: { readonly tenant: Tenant; readonly onClose: () => void }): ReactNode {
  const [issued, setIssued] = useState<{ readonly link: string; readonly expires_at: string }>();
  const send = async (form: FormData): Promise<void> => {
    const body = { email: textOf(form, "email").trim() };
    const params = { path: { id: tenant.id } };
    setIssued(await answer(api.POST("/v1/tenants/{id}/owner-invitations", { params, body })));
  };
  return (
    <Dialog title={`Invite the first owner of ${tenant.id}`} onClose={onClose}>
      {issued === undefined ? (
        <Form submit="Invite" onSend={send} onCancel={onClose}>
          <TextField label="E-mail" name="email" type="email" autoComplete="off" required />
        </Form>
      ) : (
        <LinkOnce link={issued.link} expiresAt={issued.expires_at} />
      )}
    </Dialog>
  );
}
