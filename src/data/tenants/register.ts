import {
  type Actor,
  assert,
  type Bus,
  type Clock,
  type Database,
  isTenantId,
  PLATFORM_TENANT,
  type Recorder,
  RingwallError,
  statement,
  type TenantId,
} from "../../core/index.ts";

/** One entry of the register. */
export interface Tenant {
  readonly id: TenantId;
  readonly name: string;
  readonly status: "active" | "suspended";
}

/** Which tenants there are. The platform keeps it; everybody else may only ask about one id at a time. */
export interface TenantRegister {
  /** The tenant, suspended or not; undefined when there is none. From memory when asked lately. */
  find(id: TenantId): Promise<Tenant | undefined>;
  /** @throws RingwallError `tenant.unavailable` for an unknown and for a suspended tenant alike. */
  requireActive(id: TenantId): Promise<Tenant>;
  /** @throws RingwallError `resource.conflict` when the id is taken. */
  create(actor: Actor, tenant: { readonly id: TenantId; readonly name: string }): Promise<void>;
  /** Every node refuses the tenant within a second. */
  suspend(actor: Actor, id: TenantId): Promise<void>;
}

interface Row {
  readonly tenant_id: string;
  readonly name: string;
  readonly status: string;
}

const INSERT = statement("tenants.insert", "insert into ringwall.tenant (tenant_id, name) values ($1, $2)");
const SUSPEND = statement<{ tenant_id: string }>(
  "tenants.suspend",
  "update ringwall.tenant set status = 'suspended' where tenant_id = $1 and status = 'active' returning tenant_id",
);

/** Long enough to spare the database, short enough that a lost invalidation does little. */
const CACHE_MS = 5_000;
/** About 200 bytes each. */
const CACHE_TENANTS_MAX = 10_000;

/** `bus` empties the memory when something changed or messages may be missing; while it is down nothing is kept. */
export function tenantRegister(parts: {
  database: Database;
  recorder: Recorder;
  bus: Bus;
  clock: Clock;
}): TenantRegister {
  const { database, recorder, bus, clock } = parts;
  const known = new Map<TenantId, { tenant: Tenant; untilMs: number }>();
  bus.subscribe((message) => {
    if (message.kind === "tenant") known.delete(message.tenant);
  });
  bus.onGap(() => {
    known.clear();
  });

  async function find(id: TenantId): Promise<Tenant | undefined> {
    const cached = known.get(id);
    if (cached !== undefined && bus.up && clock() < cached.untilMs) return cached.tenant;
    const row = await database.lookup<Row>("tenant_by_id", [id]);
    if (row === undefined) {
      // Absence is not kept: ids that do not exist are chosen by whoever asks.
      known.delete(id);
      return undefined;
    }
    const tenant = readTenant(row, id);
    if (known.size >= CACHE_TENANTS_MAX) known.clear();
    known.set(id, { tenant, untilMs: clock() + CACHE_MS });
    return tenant;
  }

  return {
    find,
    async requireActive(id) {
      const tenant = await find(id);
      if (tenant?.status !== "active") throw new RingwallError("tenant.unavailable", { detail: { tenant: id } });
      return tenant;
    },
    async create(actor, { id, name }) {
      await database.forTenant(PLATFORM_TENANT, actor, async (tx) => {
        await tx.run(INSERT, [id, name]);
        await recorder.record(tx, {
          action: "tenant.created",
          outcome: "success",
          tenant: PLATFORM_TENANT,
          actor,
          targets: [{ type: "tenant", id }],
        });
      });
    },
    async suspend(actor, id) {
      await database.forTenant(PLATFORM_TENANT, actor, async (tx) => {
        const changed = await tx.run(SUSPEND, [id]);
        if (changed.length !== 1) throw new RingwallError("resource.not_found", { detail: { tenant: id } });
        tx.invalidate({ kind: "tenant", tenant: id, id });
        await recorder.record(tx, {
          action: "tenant.suspended",
          outcome: "success",
          tenant: PLATFORM_TENANT,
          actor,
          targets: [{ type: "tenant", id }],
        });
      });
    },
  };
}

function readTenant(row: Row, wanted: TenantId): Tenant {
  assert(
    isTenantId(row.tenant_id) && row.tenant_id === wanted,
    "the register answers for the tenant that was asked for",
  );
  assert(row.status === "active" || row.status === "suspended", "a tenant is active or suspended");
  return { id: row.tenant_id, name: row.name, status: row.status };
}
