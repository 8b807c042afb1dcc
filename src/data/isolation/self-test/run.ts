import { type Clock, RingwallError, randomBytes } from "../../../core/index.ts";
import { readCatalogWithin } from "../catalog/index.ts";
import { checkContext, runStaticChecks, STATIC_CHECKS } from "../checks/index.ts";
import { loadParser } from "../expressions/index.ts";
import type { Finding } from "../finding.ts";
import { PROBE_LIMITS, type ProbeLimits, probeOpenTransaction, settingEntry } from "../probes/index.ts";
import { type SqlAccess, SqlRefusal, type SqlSession } from "../session.ts";
import { IsolationSettings } from "../settings.ts";
import { type Names, ROLES, SETTING, SMALL_SCHEMA, statementsOf, TABLES } from "./base.ts";
import { disguised } from "./disguise.ts";
import { type Fault, faultName, type StaticFault } from "./fault.ts";
import { CONTEXT_FAULTS, KEY_FAULTS, PATH_FAULTS, RIGHT_FAULTS, ROW_FAULTS, STATIC_FAULTS } from "./faults/index.ts";
import { type Draws, draws } from "./random.ts";

const LIVE_FAULTS: readonly Fault[] = [
  ...ROW_FAULTS,
  ...KEY_FAULTS,
  ...PATH_FAULTS,
  ...CONTEXT_FAULTS,
  ...RIGHT_FAULTS,
];
const DISGUISES = 3;
/** What the scratch schema has against it by its nature: a name in a setting is no proof of anything. */
const BY_NATURE = new Set(["probe-spoofed-context"]);

/** What a run of the self-test is told. */
export interface SelfTestOptions {
  readonly clock: Clock;
  /** Chooses the disguises; the same one chooses the same. */
  readonly seed: number;
  /** How often each fault is disguised; three when left out. */
  readonly disguises?: number;
  /** One fault out of so many, for a short run; every one when left out. */
  readonly every?: number;
  /** Told after each fault. */
  readonly progress?: (done: number, of: number) => void;
}

/** What became of one fault. */
export interface SelfTestRow {
  readonly fault: string;
  readonly kind: "static" | "live";
  /** Whether the fault as it stands was found by its check. */
  readonly found: boolean;
  /** Disguises under which it was found, and how many there were; none for what no statement plants. */
  readonly disguisesFound: number;
  readonly disguises: number;
  /** What was planted and not found, or could not be planted; at most a few. */
  readonly missed: readonly string[];
}

/** What every fault came to, and whether that is as it should be. */
export interface SelfTestReport {
  readonly seed: number;
  readonly rows: readonly SelfTestRow[];
  /** Findings in what has no fault; there must be none. */
  readonly falseAlarms: readonly string[];
  readonly passed: boolean;
}

/**
 * Plants every fault that is known, plainly and in disguise, and says whether it was found; and whether anything was
 * found where no fault is. In one transaction on the given server, roles and all, that is rolled back: nothing is left
 * behind, however it ends.
 *
 * @param access - As superuser, because the logins that are attacked with are made for it; in a database without a
 * schema `shop`.
 * @throws RingwallError `config.invalid` when the login is none, or the schema is there
 */
export async function selfTest(access: SqlAccess, options: SelfTestOptions): Promise<SelfTestReport> {
  await loadParser();
  const session = await access.connect();
  try {
    return await new SelfTest(session, options, await scratch(session)).run();
  } finally {
    await session.close();
  }
}

interface Scratch {
  readonly names: Names;
  readonly version: number;
}

async function scratch(session: SqlSession): Promise<Scratch> {
  const [row] = await session.query<{ db: string; super: boolean; taken: boolean; version: number }>(
    `select quote_ident(current_database()) as db, (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as super,
       to_regnamespace('shop') is not null as taken, current_setting('server_version_num')::int4 as version`,
  );
  if (row?.super !== true)
    throw new RingwallError("config.invalid", {
      message: "the self-test makes logins to attack with: connect as superuser",
    });
  if (row.taken)
    throw new RingwallError("config.invalid", {
      message: "the self-test uses a schema named shop: name a database without one",
    });
  const suffix = randomBytes(4).toString("hex");
  const names = { app: `rw_app_${suffix}`, owner: `rw_owner_${suffix}`, other: `rw_other_${suffix}`, db: row.db };
  return { names, version: row.version };
}

/** A fault of either kind, and how to look for it. */
interface Trial {
  readonly fault: string;
  readonly kind: "static" | "live";
  readonly plant: string;
  readonly silent: string | undefined;
  readonly look: (silent: boolean) => Promise<readonly Finding[]>;
  readonly check: string;
}

class SelfTest {
  readonly #session: SqlSession;
  readonly #options: SelfTestOptions;
  readonly #names: Names;
  readonly #version: number;
  readonly #limits: ProbeLimits;
  readonly #random: Draws;
  #roles = 0;

  constructor(session: SqlSession, options: SelfTestOptions, { names, version }: Scratch) {
    this.#session = session;
    this.#options = options;
    this.#names = names;
    this.#version = version;
    this.#limits = { clock: options.clock, ...PROBE_LIMITS };
    this.#random = draws(options.seed);
  }

  async run(): Promise<SelfTestReport> {
    const { every = 1, progress, seed } = this.#options;
    const chosen = <T>(list: readonly T[]): T[] => list.filter((_, index) => index % every === 0);
    const [statics, lives] = [chosen(STATIC_FAULTS), chosen(LIVE_FAULTS)];
    const rows: SelfTestRow[] = [];
    const falseAlarms: string[] = [];
    const stages = [
      { base: SMALL_SCHEMA, trials: statics.map((one) => this.#staticTrial(one)) },
      { base: BASE, trials: lives.map((one) => this.#liveTrial(one)) },
    ];
    for (const { base, trials } of stages) {
      await this.#session.query("begin");
      try {
        await this.#plant(statementsOf(base, this.#names));
        for (const trial of trials) {
          rows.push(await this.#try(trial));
          falseAlarms.push(...(await this.#silent(trial)));
          progress?.(rows.length, statics.length + lives.length);
        }
      } finally {
        await this.#session.query("rollback");
      }
    }
    const passed = falseAlarms.length === 0 && rows.every((row) => row.found && row.disguisesFound === row.disguises);
    return { seed, rows, falseAlarms, passed };
  }

  async #plant(statements: readonly string[]): Promise<void> {
    for (const statement of statements) await this.#session.query(statement);
  }

  /** What is found with the statements planted; why not, when PostgreSQL refuses them. */
  async #with(
    statements: readonly string[],
    look: () => Promise<readonly Finding[]>,
  ): Promise<readonly Finding[] | string> {
    await this.#session.query("savepoint rw_fault");
    try {
      await this.#plant(statements);
      return await look();
    } catch (error) {
      if (!(error instanceof SqlRefusal)) throw error;
      return `could not be planted: ${error.message}`;
    } finally {
      await this.#session.query("rollback to savepoint rw_fault");
      await this.#session.query("release savepoint rw_fault");
    }
  }

  async #try({ check, fault, kind, look, plant }: Trial): Promise<SelfTestRow> {
    const plain = statementsOf(plant, this.#names);
    const missed: string[] = [];
    const finds = async (statements: readonly string[]): Promise<boolean> => {
      const found = await this.#with(statements, async () => await look(false));
      if (typeof found !== "string" && found.some((one) => one.check === check)) return true;
      missed.push(`${typeof found === "string" ? found : "not found"}: ${statements.join(";\n")}`);
      return false;
    };
    const found = await finds(plain);
    const disguises = plain.length === 0 ? 0 : (this.#options.disguises ?? DISGUISES);
    let disguisesFound = 0;
    for (let index = 0; index < disguises; index++) {
      const worn = disguised(plain, this.#random, {
        version: this.#version,
        unused: () => `rw_between_${this.#roles++}`,
      });
      if (await finds(worn)) disguisesFound++;
    }
    return { fault, kind, found, disguises, disguisesFound, missed };
  }

  /** The like of the fault that is none. */
  async #silent({ check, fault, look, silent }: Trial): Promise<string[]> {
    const found = await this.#with(statementsOf(silent ?? "", this.#names), async () => await look(true));
    if (typeof found === "string") return [`${fault}: what is no fault ${found}`];
    const alarms = found.filter((one) => (silent === undefined || one.check === check) && !BY_NATURE.has(one.check));
    return alarms.map((one) => `${fault}: ${one.check} said ${one.message}`);
  }

  #settings(more: object = {}): IsolationSettings {
    return IsolationSettings.parse({
      schemas: ["shop"],
      appRoles: [this.#names.app],
      ownerRoles: [this.#names.owner],
      context: { kind: "setting", name: SETTING },
      ...(JSON.parse(this.#named(JSON.stringify(more))) as object),
    });
  }

  #named(text: string): string {
    return text.replaceAll(/\$(app|owner|other|db)/g, (_all, key: keyof Names) => this.#names[key]);
  }

  #staticTrial(one: StaticFault): Trial {
    const look = async (silent: boolean): Promise<readonly Finding[]> => {
      const read = await readCatalogWithin(this.#session);
      const catalog = (silent ? one.silenced : one.planted)?.(read) ?? read;
      const checks = STATIC_CHECKS.filter(({ info }) => info.id === one.check);
      return runStaticChecks(checkContext(catalog, this.#settings(one.settings)), checks).findings;
    };
    const fault = faultName(one);
    return { fault, kind: "static", plant: one.plant, silent: one.silent, look, check: one.check };
  }

  #liveTrial(one: Fault): Trial {
    const look = async (silent: boolean): Promise<readonly Finding[]> => {
      const own = silent && one.silent === undefined ? undefined : one;
      const settings = this.#settings({ globalTables: GLOBAL, ...own?.settings });
      const entry = own?.entry ?? settingEntry(SETTING);
      return (await probeOpenTransaction(this.#session, entry, settings, this.#limits)).findings;
    };
    return { fault: faultName(one), kind: "live", plant: one.plant, silent: one.silent, look, check: one.check };
  }
}

const GLOBAL = [{ table: "shop.country", reason: "The same for everybody." }];
const BASE = `${ROLES}${["set local role $owner;\n", TABLES, "reset role;\n"].join("")}`;

const NAME_CHARS = 58;

/** The outcome as a table, and what was missed, each with the statements that planted it. */
export function selfTestTable({ falseAlarms, passed, rows, seed }: SelfTestReport): string {
  const line = (fault: string, kind: string, found: string, disguises: string): string =>
    `${fault.slice(0, NAME_CHARS).padEnd(NAME_CHARS)}  ${kind.padEnd(6)}  ${found.padEnd(6)}  ${disguises}`;
  const missed = rows.flatMap(({ fault, missed }) =>
    missed.map((text) => `${fault}\n  ${text.replaceAll("\n", "\n  ")}`),
  );
  const found = rows.filter((row) => row.found && row.disguisesFound === row.disguises).length;
  return [
    line("FAULT", "KIND", "FOUND", "DISGUISES"),
    ...rows.map((row) => line(row.fault, row.kind, row.found ? "yes" : "NO", `${row.disguisesFound}/${row.disguises}`)),
    ...(missed.length === 0 ? [] : ["", "MISSED", ...missed]),
    ...(falseAlarms.length === 0 ? [] : ["", "FALSE ALARMS", ...falseAlarms]),
    "",
    `${found} of ${rows.length} faults found in every dress, ${falseAlarms.length} false alarms; seed ${seed}: ${passed ? "passed" : "FAILED"}`,
  ].join("\n");
}
