import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api } from "../api/client.ts";
import { answer } from "../api/problem.ts";
import type { Key } from "../api/types.ts";
import { Page } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Badge, When } from "../ui/text.tsx";

const MEANING: Readonly<Record<string, string>> = {
  "data": "wraps one key for each row of sealed fields",
  "index": "finds sealed values without opening them",
  "vault": "tokens that stand for values",
  "secrets": "seals secrets",
  "objects": "seals files and backups",
  "audit": "seals personal values of audit records",
  "identity": "seals second factors",
  "anchor": "ties this database to its master key",
  "session-pepper": "keys the hashes of sessions",
  "link-pepper": "keys the hashes of links",
  "attempt-pepper": "keys the names of sign-in attempts",
  "audit-commitment": "keys commitments",
};

/** The key tree by purpose, version and age. There is no key in it to be seen. */
export function KeysPage(): ReactNode {
  const keys = useQuery({
    queryKey: ["keys"],
    queryFn: async () => (await answer(api.GET("/v1/keys"))).items,
  });
  return (
    <Page
      title="Keys"
      about="The master key wraps these, and these wrap everything sealed. Only purposes, versions and ages leave the server."
    >
      <Loaded
        query={keys}
        isEmpty={(rows) => rows.length === 0}
        empty={<Empty title="No key yet">A key is made when something is sealed for the first time.</Empty>}
      >
        {(rows) => (
          <div className="tree">
            <p className="tree-root">
              <strong>Master key</strong> <small>outside the database; unwraps one level at a time</small>
            </p>
            <ul>
              {rows.map((key) => (
                <Purpose key={`${key.tenant}/${key.purpose}`} of={key} />
              ))}
            </ul>
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function Purpose({ of: { purpose, version: newest, versions } }: { readonly of: Key }): ReactNode {
  return (
    <li>
      <p>
        <code>{purpose}</code> <small>{MEANING[purpose] ?? ""}</small>
      </p>
      <ul>
        {versions.map(({ made_at: at, state, version }) => (
          <li key={version}>
            <span>version {version}</span>
            {version === newest && state === "active" ? <Badge tone="ok">seals</Badge> : <Badge>{state}</Badge>}
            <small>
              made <When at={at} />
            </small>
          </li>
        ))}
      </ul>
    </li>
  );
}
