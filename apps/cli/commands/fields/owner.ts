import { setTimeout as delay } from "node:timers/promises";
import { createRingwall, type Ringwall, RingwallConfig } from "ringwall";
import { readPrivateFile } from "ringwall/adapters/files";
import { memoryCounters } from "ringwall/adapters/memory";
import {
  type AuditAction,
  isTenantId,
  PLATFORM_TENANT,
  PlainSecret,
  parseConfig,
  silentLogger,
  statement,
  type TenantId,
} from "ringwall/core";
import { contextSigner } from "ringwall/data/tenants";
import type { Owner } from "ringwall/data/upkeep";
import { masterKeysOf } from "ringwall/supervised";
import type { Context, Input } from "../../command.ts";
import { parseContextKey } from "../key-files.ts";
import { findInstallation, findLocalTarget } from "../local-target.ts";
import { asOwner } from "../owner-connection.ts";

const KEY_BYTES_MAX = 4_096;
const TENANTS_PAGE = 200;
const READER = { type: "system", capability: "tenants.read" } as const;
const KEEPER = { type: "system", capability: "fields.adopt" } as const;

const TENANTS = statement<{ tenant_id: string }>(
  "fields.tenants",
  "select tenant_id from ringwall.tenant where tenant_id > $1 order by tenant_id limit $2",
);

/** What a command about sealed tables works with: their owner, and a note in the platform's audit. */
export interface LocalOwner {
  readonly owner: Owner;
  readonly ringwall: Ringwall;
  /** Notes what was done to a table, or to a tenant, in the platform's audit. */
  readonly note: (action: AuditAction, what: string, facts: Readonly<Record<string, string | number>>) => void;
}

/**
 * Runs `work` as the role that owns the tables, with the keys of this installation: the database is reached as
 * `ringwall_migrate`, keys as `ringwall_app`, and the master key has to be there already.
 */
export async function withLocalOwner<T>(
  input: Input,
  context: Context,
  work: (local: LocalOwner) => Promise<T>,
): Promise<T> {
  const { clock, machine, signal } = context;
  const { config, paths } = await findInstallation(input, machine);
  const parsed = parseConfig(RingwallConfig, config.content);
  const text = await readPrivateFile(paths.contextKey, { bytesMax: KEY_BYTES_MAX, uid: machine.uid });
  const signer = contextSigner(parseContextKey(new PlainSecret(text.trim())));
  const runtime = {
    configFile: config.path,
    dataDir: paths.root,
    adminSocket: paths.adminSocket,
    postgres: null,
    ports: { api: 0, bank: null },
    uid: machine.uid === -1 ? undefined : machine.uid,
  };
  const target = await findLocalTarget(input, machine, "ringwall_migrate");
  const { openMaster, openPreviousMasters } = masterKeysOf(runtime, parsed);
  const ringwall = await createRingwall(parsed, {
    target: await findLocalTarget(input, machine, "ringwall_app"),
    signer,
    // A new master key beside a table that is to be sealed would be a key that nobody has a copy of.
    openMaster: async () => await openMaster(false),
    openPreviousMasters,
    log: silentLogger,
    clock,
    // No request comes here, so nothing is counted.
    counters: memoryCounters({ clock }),
  });
  try {
    return await asOwner(target, async (db) => {
      const wait = async (ms: number): Promise<void> => {
        await delay(ms, undefined, { signal });
      };
      const tenants = (): Promise<readonly TenantId[]> => listTenants(ringwall);
      const owner: Owner = { db, signer, clock, fields: ringwall.fields, tenants, wait, signal };
      return await work({ owner, ringwall, note: noting(ringwall) });
    });
  } finally {
    await ringwall.close();
  }
}

async function listTenants({ database }: Ringwall): Promise<readonly TenantId[]> {
  const found: TenantId[] = [];
  for (;;) {
    const page = await database.once(PLATFORM_TENANT, READER, TENANTS, [found.at(-1) ?? "", TENANTS_PAGE]);
    found.push(...page.map(({ tenant_id: id }) => id).filter(isTenantId));
    if (page.length < TENANTS_PAGE) return found;
  }
}

function noting({ recorder }: Ringwall): LocalOwner["note"] {
  return (action, what, facts) =>
    recorder.note({
      action,
      outcome: "success",
      tenant: PLATFORM_TENANT,
      actor: KEEPER,
      targets: [{ type: action.startsWith("tenant.") ? "tenant" : "table", id: what }],
      facts,
    });
}
