import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import type { Tenant, User } from "../api/types.ts";
import { useTenants } from "../people/use-tenants.ts";
import { useUsers } from "../people/use-users.ts";
import { Dialog } from "../ui/dialog.tsx";
import { SelectField, TextField, textOf } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { More } from "../ui/more.tsx";
import { Notice } from "../ui/notice.tsx";
import { Loaded } from "../ui/states.tsx";
import { Certificate } from "./certificate-view.tsx";

/** What may be erased. */
export type Erasable = { readonly what: "row" | "person" } | { readonly what: "tenant"; readonly tenant: string };

interface Done {
  readonly id: string;
  readonly certificate: string;
}

const REASON_CHARS_MAX = 500;

/** Asks what and why, has the name typed, erases, and shows the certificate. */
export function EraseDialog({ onClose, what }: { readonly what: Erasable; readonly onClose: () => void }): ReactNode {
  const [done, setDone] = useState<Done>();
  const queries = useQueryClient();
  const finish = async (made: Done): Promise<void> => {
    setDone(made);
    await Promise.all(["erasures", "keys", "tenants"].map((name) => queries.invalidateQueries({ queryKey: [name] })));
  };
  return (
    <Dialog title={done === undefined ? titleOf(what) : "Erased for good"} onClose={onClose}>
      {done === undefined ? (
        <EraseForm what={what} onDone={finish} onClose={onClose} />
      ) : (
        <Certificate id={done.id} certificate={done.certificate} />
      )}
    </Dialog>
  );
}

function titleOf(what: Erasable): string {
  return what.what === "tenant" ? `Erase ${what.tenant}` : `Erase a ${what.what}`;
}

interface FormProps {
  readonly onDone: (done: Done) => Promise<void>;
  readonly onClose: () => void;
}

function EraseForm({ what, ...rest }: FormProps & { readonly what: Erasable }): ReactNode {
  switch (what.what) {
    case "row":
      return <EraseRow {...rest} />;
    case "person":
      return <ErasePerson {...rest} />;
    case "tenant":
      return <EraseTenant id={what.tenant} {...rest} />;
  }
}

function EraseRow({ onClose, onDone }: FormProps): ReactNode {
  const [row, setRow] = useState("");
  const [typed, setTyped] = useState("");
  const send = async (form: FormData): Promise<void> => {
    const body = { place: textOf(form, "place").trim(), row, reason: textOf(form, "reason").trim() };
    await onDone(await answer(api.POST("/v1/row-erasures", { body })));
  };
  return (
    <Form submit="Erase" kind="danger" disabled={row === "" || typed !== row} onSend={send} onCancel={onClose}>
      <div className="prose">
        <p>The row's key is destroyed. Its sealed fields open no more, here, in copies and in backups.</p>
      </div>
      <TextField
        label="Table"
        name="place"
        maxLength={200}
        autoCapitalize="none"
        autoComplete="off"
        required
        hint="With its schema, as it was registered: bank.customer."
      />
      <TextField
        label="Row"
        maxLength={200}
        autoCapitalize="none"
        autoComplete="off"
        required
        value={row}
        onChange={(event) => setRow(event.currentTarget.value.trim())}
        hint="Its id in that table."
      />
      <Reason />
      <Typed label="Type the row's id once more" value={typed} onTyped={setTyped} />
    </Form>
  );
}

function ErasePerson({ onClose, onDone }: FormProps): ReactNode {
  const users = useUsers();
  const [chosen, setChosen] = useState("");
  const [typed, setTyped] = useState("");
  const person = users.data?.find(({ id }) => id === chosen);
  const send = async (form: FormData): Promise<void> => {
    const body = { user: chosen, reason: textOf(form, "reason").trim() };
    await onDone(await answer(api.POST("/v1/person-erasures", { body })));
  };
  const isSure = person !== undefined && typed === person.email;
  return (
    <Form submit="Erase" kind="danger" disabled={!isSure} onSend={send} onCancel={onClose}>
      <div className="prose">
        <p>
          The keys of every registered row of this person are destroyed, and what the audit holds of them in person. The
          chain still verifies. The account stays: disable it.
        </p>
      </div>
      <SelectField label="Person" value={chosen} onChange={(event) => setChosen(event.currentTarget.value)} required>
        <option value="">Choose</option>
        {(users.data ?? []).map(({ email, id, name }: User) => (
          <option key={id} value={id}>
            {name} ({email})
          </option>
        ))}
      </SelectField>
      <More list={users} />
      <Reason />
      <Typed
        label={person === undefined ? "Type the person's e-mail" : `Type ${person.email} to go on`}
        value={typed}
        onTyped={setTyped}
      />
    </Form>
  );
}

function EraseTenant({ id, ...rest }: FormProps & { readonly id: string }): ReactNode {
  const tenants = useTenants();
  return (
    <Loaded query={tenants}>
      {(rows) => {
        const tenant = rows.find((row) => row.id === id);
        // Not among those loaded so far: the name that has to be typed is further down the register.
        return tenant === undefined ? <More list={tenants} /> : <EraseNamedTenant tenant={tenant} {...rest} />;
      }}
    </Loaded>
  );
}

function EraseNamedTenant({ onClose, onDone, tenant }: FormProps & { readonly tenant: Tenant }): ReactNode {
  const [typed, setTyped] = useState("");
  const send = async (form: FormData): Promise<void> => {
    const params = { path: { id: tenant.id } };
    const body = { confirm: typed, reason: textOf(form, "reason").trim() };
    await onDone(await answer(api.POST("/v1/tenants/{id}/erasure", { params, body })));
  };
  return (
    <Form submit="Erase for good" kind="danger" disabled={typed !== tenant.name} onSend={send} onCancel={onClose}>
      <Notice kind="warn">
        <p>
          Every key of <strong>{tenant.name}</strong> is destroyed and the tenant is suspended. Whatever was sealed for
          it can be read by nobody any more: not here, not in backups, not by us. There is no way back.
        </p>
      </Notice>
      <Reason />
      <Typed label={`Type ${tenant.name} to go on`} value={typed} onTyped={setTyped} />
    </Form>
  );
}

function Reason(): ReactNode {
  return (
    <TextField
      label="Why"
      name="reason"
      maxLength={REASON_CHARS_MAX}
      autoComplete="off"
      required
      hint="Stands in the certificate, so nothing personal."
    />
  );
}

interface TypedProps {
  readonly label: string;
  readonly value: string;
  readonly onTyped: (text: string) => void;
}

function Typed({ label, onTyped, value }: TypedProps): ReactNode {
  return (
    <TextField
      label={label}
      value={value}
      onChange={(event) => onTyped(event.currentTarget.value)}
      autoComplete="off"
      autoCapitalize="none"
    />
  );
}
