import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api } from "../api/client.ts";
import { usePages } from "../api/pages.ts";
import { answer } from "../api/problem.ts";
import type { Secret } from "../api/types.ts";
import { Button } from "../ui/button.tsx";
import { Confirm, Dialog } from "../ui/dialog.tsx";
import { TextField, textOf } from "../ui/field.tsx";
import { Form } from "../ui/form.tsx";
import { More } from "../ui/more.tsx";
import { Page } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Table } from "../ui/table.tsx";
import { Badge, When } from "../ui/text.tsx";

const PAGE_ITEMS = 1_000;

type Open = { readonly what: "set"; readonly name: string } | { readonly what: "rotate"; readonly name: string };

/** Secrets by name, version and age. Values go in and never come out. */
export function SecretsPage(): ReactNode {
  const [open, setOpen] = useState<Open>();
  const secrets = usePages<Secret, string>({
    key: ["secrets"],
    pageItems: PAGE_ITEMS,
    load: async (after) => {
      const query = after === undefined ? {} : { after };
      return (await answer(api.GET("/v1/secrets", { params: { query } }))).items;
    },
    placeOf: ({ name }) => name,
  });
  const add = (
    <Button kind="primary" onClick={() => setOpen({ what: "set", name: "" })}>
      Store a secret
    </Button>
  );
  return (
    <Page title="Secrets" about="Names, versions and ages. A value goes in here and is shown to nobody." acts={add}>
      <Loaded
        query={secrets}
        isEmpty={(rows) => rows.length === 0}
        empty={<Empty title="No secret yet">Store one, and let your application fetch it by name.</Empty>}
      >
        {(rows) => (
          <Table
            label="Secrets"
            rows={rows}
            keyOf={({ name }) => name}
            columns={[
              { name: "Name", kind: "main", cell: ({ name }) => <code>{name}</code> },
              { name: "Version", kind: "end", cell: ({ version }) => version },
              {
                name: "Changed",
                cell: ({ changed_at: changed, created_at: created }) => <When at={changed ?? created} />,
              },
              {
                name: "Expires",
                cell: ({ expires_at: expires }) => (expires === null ? "never" : <When at={expires} />),
              },
              {
                name: "Rotation",
                cell: ({ rotation_pending: pending }) =>
                  pending ? <Badge tone="warn">unfinished</Badge> : "none running",
              },
              { name: "Acts", kind: "acts", cell: ({ name }) => <SecretActs name={name} onOpen={setOpen} /> },
            ]}
          />
        )}
      </Loaded>
      <More list={secrets} />
      {open?.what === "set" ? <StoreSecret name={open.name} onClose={() => setOpen(undefined)} /> : null}
      {open?.what === "rotate" ? <Rotate name={open.name} onClose={() => setOpen(undefined)} /> : null}
    </Page>
  );
}

function SecretActs({ name, onOpen }: { readonly name: string; readonly onOpen: (open: Open) => void }): ReactNode {
  return (
    <>
      <Button kind="quiet" aria-label={`New version of ${name}`} onClick={() => onOpen({ what: "set", name })}>
        New version
      </Button>
      <Button kind="quiet" aria-label={`Rotate ${name}`} onClick={() => onOpen({ what: "rotate", name })}>
        Rotate
      </Button>
    </>
  );
}

interface OneSecret {
  readonly name: string;
  readonly onClose: () => void;
}

function StoreSecret({ name, onClose }: OneSecret): ReactNode {
  const queries = useQueryClient();
  const send = async (form: FormData): Promise<void> => {
    const body = { name: name === "" ? textOf(form, "name").trim() : name, value: textOf(form, "value") };
    await answer(api.PUT("/v1/secrets", { body }));
    await queries.invalidateQueries({ queryKey: ["secrets"] });
    onClose();
  };
  return (
    <Dialog title={name === "" ? "Store a secret" : `New version of ${name}`} onClose={onClose}>
      <Form submit="Store" onSend={send} onCancel={onClose}>
        {name === "" ? (
          <TextField
            label="Name"
            name="name"
            autoCapitalize="none"
            autoComplete="off"
            required
            hint="Like bank/mail-password."
          />
        ) : null}
        <TextField
          label="Value"
          name="value"
          type="password"
          autoComplete="off"
          required
          hint="Sealed as it arrives, and in use from then on. Nobody can read it back here."
        />
      </Form>
    </Dialog>
  );
}

function Rotate({ name, onClose }: OneSecret): ReactNode {
  const queries = useQueryClient();
  const rotate = async (): Promise<void> => {
    await answer(api.POST("/v1/secret-rotations", { body: { name } }));
    await queries.invalidateQueries({ queryKey: ["secrets"] });
  };
  return (
    <Confirm title="Rotate secret" submit="Rotate" typed={name} onConfirm={rotate} onClose={onClose}>
      <p>
        A new value is made, set where the secret is used, and stored. Both values work until that is done. Nobody sees
        either.
      </p>
    </Confirm>
  );
}
