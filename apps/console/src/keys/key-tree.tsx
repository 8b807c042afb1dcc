import type { ReactNode } from "react";
import type { Key, MasterKey } from "../api/types.ts";
import { Button } from "../ui/button.tsx";
import { Badge, When } from "../ui/text.tsx";
import type { KeyAct } from "./key-acts.tsx";
import { daysOf, isRotatable, meaningOf } from "./purposes.ts";

const CLASSES = [
  ["tenant", "Tenant keys"],
  ["service", "Service keys"],
] as const;

interface TreeProps {
  readonly master: MasterKey;
  readonly keys: readonly Key[];
  /** Whether one tenant was asked for, whose branch needs no name. */
  readonly isOne: boolean;
  readonly onAct: (act: KeyAct) => void;
}

/** The master key above everything that it wraps. */
export function KeyTree({ isOne, keys, master, onAct }: TreeProps): ReactNode {
  const tenants = [...Map.groupBy(keys, ({ tenant }) => tenant)];
  return (
    <div className="tree">
      <Master master={master} onAct={onAct} />
      {isOne ? (
        <Branch keys={keys} onAct={onAct} />
      ) : (
        tenants.map(([tenant, own]) => (
          <details key={tenant} className="tree-tenant">
            <summary>
              <code>{tenant}</code> <small>{own.length === 1 ? "1 key" : `${own.length} keys`}</small>
              {own.some(({ overdue }) => overdue) ? <Badge tone="fail">overdue</Badge> : null}
              {own.every(({ min_version: oldest }) => oldest === null) ? <Badge tone="fail">erased</Badge> : null}
            </summary>
            <Branch keys={own} onAct={onAct} />
          </details>
        ))
      )}
    </div>
  );
}

function Master({ master: { elsewhere, id }, onAct }: Pick<TreeProps, "master" | "onAct">): ReactNode {
  return (
    <div className="tree-root">
      <p>
        <strong>Master key</strong> <code>{id}</code> <small>outside the database; unwraps one level at a time</small>
      </p>
      {elsewhere === null ? null : (
        <p>
          {elsewhere === 0 ? (
            <Badge tone="ok">wraps every key</Badge>
          ) : (
            <Badge tone="warn">
              {elsewhere.toLocaleString("en")} {elsewhere === 1 ? "key is" : "keys are"} still under another
            </Badge>
          )}
          <Button
            kind="quiet"
            aria-label="Rewrap every key under this master"
            onClick={() => onAct({ what: "rewrap-master" })}
          >
            Rewrap
          </Button>
        </p>
      )}
    </div>
  );
}

function Branch({ keys, onAct }: Pick<TreeProps, "keys" | "onAct">): ReactNode {
  return (
    <ul>
      {CLASSES.map(([name, title]) => {
        const own = keys.filter((key) => key.class === name);
        if (own.length === 0) return null;
        return (
          <li key={name}>
            <p>{title}</p>
            <ul>
              {own.map((key) => (
                <Purpose key={key.purpose} of={key} onAct={onAct} />
              ))}
            </ul>
          </li>
        );
      })}
    </ul>
  );
}

function Purpose({ of: key, onAct }: { readonly of: Key; readonly onAct: TreeProps["onAct"] }): ReactNode {
  const { purpose, tenant, version: newest, versions } = key;
  return (
    <li>
      <div className="tree-key">
        <p>
          <code>{purpose}</code> <small>{meaningOf(purpose)}</small>
        </p>
        <p>
          <Due of={key} />
        </p>
        {isRotatable(key) ? (
          <p className="tree-acts">
            {purpose === "data" ? (
              <Button
                kind="quiet"
                aria-label={`Rewrap rows of ${tenant}`}
                onClick={() => onAct({ what: "rewrap-rows", tenant })}
              >
                Rewrap rows
              </Button>
            ) : null}
            <Button
              kind="quiet"
              aria-label={`Rotate ${purpose} of ${tenant}`}
              onClick={() => onAct({ what: "rotate", key })}
            >
              Rotate
            </Button>
          </p>
        ) : null}
      </div>
      <ul className="tree-versions">
        {versions.map(({ made_at: at, master, state, version, wraps }) => (
          <li key={version}>
            <span>version {version}</span>
            {version === newest && state === "active" ? (
              <Badge tone="ok">active, seals</Badge>
            ) : (
              <Badge tone={state === "destroyed" ? "fail" : "plain"}>{state}</Badge>
            )}
            <small>
              made <When at={at} />
            </small>
            {wraps > 0 ? <small>{wraps.toLocaleString("en")} uses reserved</small> : null}
            <small>
              under <code>{master}</code>
            </small>
          </li>
        ))}
      </ul>
    </li>
  );
}

/** When the next version is due, and who makes it. */
function Due({ of: key }: { readonly of: Key }): ReactNode {
  const { automatic, due_at: dueAt, min_version: oldest, overdue, period_seconds: seconds, purpose } = key;
  if (oldest === null) return <Badge tone="fail">erased</Badge>;
  if (purpose === "anchor") return <small>changes with the master key alone</small>;
  return (
    <>
      {overdue ? <Badge tone="fail">overdue</Badge> : null}
      <small>
        every {daysOf(seconds)}, due <When at={dueAt} />, {automatic ? "automatic" : "by hand"}
      </small>
    </>
  );
}
