import { type ReactNode, useState } from "react";
import type { Session, Tenant } from "../api/types.ts";
import { useTenants } from "../people/use-tenants.ts";
import { isOfPlatform, PLATFORM } from "../shell/navigation.ts";
import { SelectField } from "../ui/field.tsx";
import { More } from "../ui/more.tsx";
import { Page } from "../ui/page.tsx";
import { Empty, Loaded } from "../ui/states.tsx";
import { Erasures } from "./erasures.tsx";
import { type KeyAct, KeyActDialog } from "./key-acts.tsx";
import { KeyJobs } from "./key-jobs.tsx";
import { KeyTree } from "./key-tree.tsx";
import { type Scope, useKeys } from "./use-keys.ts";

/** The key tree, what is being rewrapped, and what was erased. There is no key in it to be seen. */
export function KeysPage({ session }: { readonly session: Session }): ReactNode {
  const [scope, setScope] = useState<Scope>(session.tenant);
  const [act, setAct] = useState<KeyAct>();
  const { pages, tree } = useKeys(scope);
  const chooser = { scope, onScope: setScope };
  const whose = session.role === "owner" ? <WhoseByRegister {...chooser} /> : <Whose {...chooser} tenants={[]} />;
  return (
    <Page
      title="Keys"
      about="The master key wraps these, and these wrap everything sealed. Only names, versions and ages leave the server."
    >
      {isOfPlatform(session) ? whose : null}
      <Loaded
        query={tree}
        isEmpty={({ keys }) => keys.length === 0}
        empty={<Empty title="No key yet">A key is made when something is sealed for the first time.</Empty>}
      >
        {({ keys, master }) => (
          <>
            <KeyTree keys={keys} master={master} isOne={scope !== undefined} onAct={setAct} />
            <KeyJobs tenant={scope} />
          </>
        )}
      </Loaded>
      <More list={pages} />
      {scope === undefined || tree.data === undefined ? null : (
        <Erasures key={scope} session={session} tenant={scope} />
      )}
      {act === undefined ? null : <KeyActDialog act={act} onClose={() => setAct(undefined)} />}
    </Page>
  );
}

interface WhoseProps {
  readonly scope: Scope;
  readonly onScope: (scope: Scope) => void;
}

/** One by one for the platform's owners, who may read the register; its administrators see all of them together. */
function WhoseByRegister(props: WhoseProps): ReactNode {
  const tenants = useTenants();
  return (
    <>
      <Whose {...props} tenants={tenants.data ?? []} />
      <More list={tenants} />
    </>
  );
}

/** Empty is no tenant's id, so it can stand for all of them. */
const ALL = "";

function Whose({ onScope, scope, tenants }: WhoseProps & { readonly tenants: readonly Tenant[] }): ReactNode {
  return (
    <div className="filters">
      <SelectField
        label="Whose"
        value={scope ?? ALL}
        onChange={({ currentTarget: { value } }) => onScope(value === ALL ? undefined : value)}
      >
        <option value={PLATFORM}>The installation's own</option>
        <option value={ALL}>All tenants</option>
        {tenants
          .filter(({ id }) => id !== PLATFORM)
          .map(({ id, name }) => (
            <option key={id} value={id}>
              {name} ({id})
            </option>
          ))}
      </SelectField>
    </div>
  );
}
