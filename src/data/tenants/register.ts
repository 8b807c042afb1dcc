import { LRUCache } from "lru-cache";
import {
  type Actor,
  type AuditAction,
  assert,
  type Bus,
  type Clock,
  type Database,
  isTenantId,
  PLATFORM_TENANT,
  type Recorder,
  RingwallError,
  type SystemActor,
  type TenantId,
} from "../../core/index.ts";
import { ENVIRONMENTS, type Environment, isEnvironment } from "./environment.ts";
import { ACCOUNT, type EntryRow, INSERT, KEYLESS, LIST, SET_STATUS, WAIT_FOR_ERASURE } from "./statements.ts";

/**
 * `deleting`: the end has begun, and nobody acts any more. `deleted`: nothing is left but this entry, which keeps the id
 * from being given again.
 */
export type TenantStatus = "active" | "suspended" | "deleting" | "deleted";
const STATUSES: readonly string[] = ["active", "suspended", "deleting", "deleted"] satisfies TenantStatus[];

/** A tenant, as everybody may ask about one by its id. */
export interface Tenant {
  readonly id: TenantId;
  readonly name: string;
  readonly status: TenantStatus;
  readonly environment: Environment;
  /** The production tenant that this environment was made for; undefined for a production tenant. */
  readonly account: TenantId | undefined;
}

/** An entry of the register, as the platform sees it. It holds nothing of what is the tenant's own. */
export interface TenantEntry extends Tenant {
  readonly createdMs: number;
  /** When its deletion begins, as long as one is planned or under way. */
  readonly deletionMs: number | undefined;
  readonly deletedMs: number | undefined;
}

/** What a new tenant is. */
export interface NewTenant {
  readonly id: TenantId;
  readonly name: string;
  /** `production` unless given. */
  readonly environment?: Environment | undefined;
  /** The production tenant, for every other environment. */
  readonly account?: TenantId | undefined;
}

/**
 * Which tenants there are. The platform keeps it; everybody else may only ask about one id at a time. Who may change it is
 * the caller's to check; the wall lets in nobody but the platform's people and named capabilities.
 */
export interface TenantRegister {
  /** The tenant, whatever its state; undefined when there is none. From memory when asked lately. */
  find(id: TenantId): Promise<Tenant | undefined>;
  /** @throws RingwallError `tenant.unavailable` for an unknown one and for one that is not active alike. */
  requireActive(id: TenantId): Promise<Tenant>;
  /** By id, 200 at a time: pass the last id seen to get the next page. Of the environments that are served here. */
  list(actor: Actor, after?: string): Promise<readonly TenantEntry[]>;
  /**
   * @throws RingwallError `resource.conflict` when the id is taken or was; `request.invalid` when the account is no
   * production tenant; `tenant.unavailable` for an environment that is not served here.
   */
  create(actor: Actor, tenant: NewTenant): Promise<void>;
  /** Every node refuses the tenant within a second. Its rows stay. @throws RingwallError `resource.not_found`, `resource.conflict` */
  suspend(actor: Actor, id: TenantId): Promise<void>;
  /**
   * Sessions that are not over by then work again.
   * @throws RingwallError `resource.not_found`, `resource.conflict`; `keys.erased` when an erasure destroyed its keys
   */
  resume(actor: Actor, id: TenantId): Promise<void>;
}

/** What the register stands on. */
export interface RegisterParts {
  readonly database: Database;
  readonly recorder: Recorder;
  readonly bus: Bus;
  readonly clock: Clock;
  /** All unless given. */
  readonly environments?: ReadonlySet<Environment> | undefined;
}

const RESUMER: SystemActor = { type: "system", capability: "tenants.read" };
/** Long enough to spare the database, short enough that a lost invalidation does little. */
const CACHE_MS = 5_000;
/** About 200 bytes each. */
const CACHE_TENANTS_MAX = 10_000;
/** The longest page of the register. */
const LIST_MAX = 200;

/** `bus` empties the memory when something changed or messages may be missing; while it is down nothing is kept. */
export function tenantRegister(parts: RegisterParts): TenantRegister {
  return new CachedRegister(parts);
}

class CachedRegister implements TenantRegister {
  readonly #parts: RegisterParts;
  readonly #served: ReadonlySet<Environment>;
  readonly #known = new LRUCache<TenantId, { readonly tenant: Tenant; readonly untilMs: number }>({
    max: CACHE_TENANTS_MAX,
  });

  constructor(parts: RegisterParts) {
    this.#parts = parts;
    this.#served = parts.environments ?? new Set(ENVIRONMENTS);
    parts.bus.subscribe((message) => {
      if (message.kind === "tenant") this.#known.delete(message.tenant);
    });
    parts.bus.onGap(() => this.#known.clear());
  }

  async find(id: TenantId): Promise<Tenant | undefined> {
    const { bus, clock, database } = this.#parts;
    const cached = this.#known.get(id);
    if (cached !== undefined && bus.up && clock() < cached.untilMs) return cached.tenant;
    const row = await database.lookup<EntryRow>("tenant_by_id", [id]);
    if (row === undefined) {
      // Absence is not kept: ids that do not exist are chosen by whoever asks.
      this.#known.delete(id);
      return undefined;
    }
    assert(row.tenant_id === id, "the register answers for the tenant that was asked for");
    const tenant = readTenant(row);
    this.#known.set(id, { tenant, untilMs: clock() + CACHE_MS });
    return tenant;
  }

  async requireActive(id: TenantId): Promise<Tenant> {
    const tenant = await this.find(id);
    if (tenant?.status !== "active" || !this.#isServed(tenant)) {
      throw new RingwallError("tenant.unavailable", { detail: { tenant: id } });
    }
    return tenant;
  }

  async list(actor: Actor, after = ""): Promise<readonly TenantEntry[]> {
    const values = [after, [...this.#served], LIST_MAX];
    const rows = await this.#parts.database.once(PLATFORM_TENANT, actor, LIST, values);
    return rows.map((row) => ({
      ...readTenant(row),
      createdMs: row.created_ms,
      deletionMs: row.deletion_ms ?? undefined,
      deletedMs: row.deleted_ms ?? undefined,
    }));
  }

  async create(actor: Actor, { account, environment = "production", id, name }: NewTenant): Promise<void> {
    if ((environment === "production") !== (account === undefined)) {
      throw new RingwallError("request.invalid", { detail: { fields: "body.account" } });
    }
    if (!this.#served.has(environment)) throw new RingwallError("tenant.unavailable", { detail: { environment } });
    const { database, recorder } = this.#parts;
    await database.forTenant(PLATFORM_TENANT, actor, async (tx) => {
      // Held until the commit, so that the account's own deletion comes before this or sees it.
      if (account !== undefined && (await tx.run(ACCOUNT, [account])).length === 0) {
        throw new RingwallError("request.invalid", { detail: { fields: "body.account" } });
      }
      const [row] = await tx.run(INSERT, [id, name, environment, account ?? null]);
      if (row === undefined) throw new RingwallError("resource.conflict", { detail: { reason: "tenant exists" } });
      await recorder.record(tx, {
        action: "tenant.created",
        outcome: "success",
        tenant: PLATFORM_TENANT,
        actor,
        targets: [{ type: "tenant", id }],
        facts: account === undefined ? { environment } : { environment, account },
      });
    });
  }

  async suspend(actor: Actor, id: TenantId): Promise<void> {
    await this.#setStatus(actor, id, "suspended");
  }

  async resume(actor: Actor, id: TenantId): Promise<void> {
    await this.#setStatus(actor, id, "active");
  }

  async #setStatus(actor: Actor, id: TenantId, status: "active" | "suspended"): Promise<void> {
    if (id === PLATFORM_TENANT) throw new RingwallError("resource.conflict", { detail: { reason: "platform" } });
    this.#known.delete(id);
    const found = await this.find(id);
    if (found === undefined) throw new RingwallError("resource.not_found", { detail: { tenant: id } });
    const { database, recorder } = this.#parts;
    await database.forTenant(PLATFORM_TENANT, actor, async (tx) => {
      if (status === "active") await tx.run(WAIT_FOR_ERASURE, [id]);
      const [row] = await tx.run(SET_STATUS, [id, status]);
      if (row === undefined) {
        // Asked for again it is as it should be; a deletion that has begun is not undone by this.
        if (found.status === status) return;
        throw new RingwallError("resource.conflict", { detail: { tenant: id, status: found.status } });
      }
      if (status === "active") await this.#requireKeys(id);
      tx.invalidate({ kind: "tenant", tenant: id, id });
      const action: AuditAction = status === "suspended" ? "tenant.suspended" : "tenant.resumed";
      const targets = [{ type: "tenant", id }];
      await recorder.record(tx, { action, outcome: "success", tenant: PLATFORM_TENANT, actor, targets });
    });
    this.#known.delete(id);
  }

  /** Whose keys were destroyed has nothing to go on with, even as long as its rows are still there. */
  async #requireKeys(id: TenantId): Promise<void> {
    const erased = await this.#parts.database.once(id, RESUMER, KEYLESS);
    if (erased.length > 0) throw new RingwallError("keys.erased", { detail: { tenant: id } });
  }

  #isServed({ environment, id }: Tenant): boolean {
    return id === PLATFORM_TENANT || this.#served.has(environment);
  }
}

function readTenant({ account, environment, name, status, tenant_id: id }: EntryRow): Tenant {
  assert(isTenantId(id) && isEnvironment(environment), "an entry of the register has its forms");
  assert(isStatus(status), "a tenant is in one of its states");
  assert(account === null || isTenantId(account), "an account is a tenant");
  return { id, name, status, environment, account: account ?? undefined };
}

function isStatus(text: string): text is TenantStatus {
  return STATUSES.includes(text);
}
