import type { Policy, Relation } from "../../catalog/index.ts";
import {
  all,
  any,
  type Condition,
  caseProver,
  type Decision,
  FALSE,
  policyScope,
  readPolicy,
  TRUE,
} from "../../expressions/index.ts";
import type { CheckContext, Table } from "../context.ts";
import { relationRights } from "../rights.ts";
import { type Names, namesOf } from "./surroundings.ts";

/** What a role may do with rows. */
export type Command = "SELECT" | "INSERT" | "UPDATE" | "DELETE";
/** Which rows it finds, or which it may leave behind. */
export type Clause = "USING" | "WITH CHECK";

/** One way of an app role to a table's rows, and whether only the context's rows pass. */
export interface Passage {
  readonly table: Table;
  /** The login that serves requests. */
  readonly login: string;
  /** What it acts as: itself, or what it can switch to. */
  readonly role: string;
  readonly command: Command;
  readonly clause: Clause;
  readonly decision: Decision;
  /** The policies that were put together; empty when row-level security is off or does not apply. */
  readonly policies: readonly Policy[];
}

/** What is known of the policies, worked out when asked for and kept. */
export interface Analysis {
  readonly names: Names;
  /** Every way of the app roles to the table's rows. */
  passages(table: Table): readonly Passage[];
  /** Whether `role` gets only the context's rows of `table` out of a command. */
  decide(role: string, table: Table, command: Command, clause: Clause): Decision;
  /** What one policy's expression implies by itself, for every app role. */
  alone(policy: Policy, clause: Clause): Decision;
  /** Whether one policy's expression is true, for some app role, for every row that is not the context's. */
  isAlwaysTrue(policy: Policy, clause: Clause): boolean;
  /** What a condition on rows of `table` implies; `calledUnknown` as the reading of it noted. */
  judge(table: Table, condition: Condition): Decision;
  policiesOf(table: Table): readonly Policy[];
  /** What an app role can act as by itself, by inheritance or by switching; each with its login. */
  readonly actors: readonly { readonly login: string; readonly role: string }[];
}

const kept = new WeakMap<CheckContext, Analysis>();

/** The analysis of a context; checks share it. The parser has to be loaded, else nothing is understood. */
export function analysisOf(context: CheckContext): Analysis {
  const found = kept.get(context) ?? new PolicyAnalysis(context);
  kept.set(context, found);
  return found;
}

const CLAUSES: readonly (readonly [Command, Clause])[] = [
  ["SELECT", "USING"],
  ["INSERT", "WITH CHECK"],
  ["UPDATE", "USING"],
  ["UPDATE", "WITH CHECK"],
  ["DELETE", "USING"],
];

const NO_RIGHTS: Decision = { answer: "implies", reason: "row-level security lets no row through" };

/** What is asked of one policy. */
interface Asked {
  readonly what: string;
  readonly role: string;
  readonly of: (condition: Condition) => Condition;
}

class PolicyAnalysis implements Analysis {
  readonly names: Names;
  readonly actors: Analysis["actors"];
  readonly #context: CheckContext;
  readonly #policies: ReadonlyMap<number, readonly Policy[]>;
  readonly #decided = new Map<string, Decision>();
  readonly #passages = new Map<string, readonly Passage[]>();
  readonly #open = new Set<string>();
  readonly #roles: readonly string[];

  constructor(context: CheckContext) {
    this.#context = context;
    this.names = namesOf(context);
    this.#policies = Map.groupBy(context.catalog.policies, ({ table }) => table);
    const { access } = context.catalog;
    this.actors = context.settings.appRoles.flatMap((login) =>
      [...access.reach(login).values()].filter(({ way }) => way !== "inherit").map(({ role }) => ({ login, role })),
    );
    this.#roles = [...new Set(this.actors.map(({ role }) => role))];
  }

  policiesOf({ relation }: Table): readonly Policy[] {
    return this.#policies.get(relation.oid) ?? [];
  }

  passages(table: Table): readonly Passage[] {
    const known = this.#passages.get(table.name);
    if (known !== undefined) return known;
    const found: Passage[] = [];
    for (const { login, role } of this.actors) {
      const rights = relationRights(this.#context.catalog, role, table.relation);
      for (const [command, clause] of CLAUSES) {
        if (!rights.has(command)) continue;
        const decision = this.decide(role, table, command, clause);
        const policies = this.bypass(role, table.relation) === undefined ? this.#applicable(role, table, command) : [];
        found.push({ table, login, role, command, clause, decision, policies });
      }
    }
    this.#passages.set(table.name, found);
    return found;
  }

  decide(role: string, table: Table, command: Command, clause: Clause): Decision {
    const whose = this.#whoseUnknown(table);
    if (whose !== undefined) return whose;
    const bypass = this.bypass(role, table.relation);
    if (bypass !== undefined) return { answer: "does not imply", witness: `every row: ${bypass}` };
    const policies = this.#applicable(role, table, command);
    const restrictive = policies.filter(({ permissive }) => !permissive);
    const permissive = policies.filter((each) => each.permissive);
    if (permissive.length === 0) return NO_RIGHTS;
    // What a subquery reads is walled for some roles and not for others.
    const key = `${role} ${table.name} ${clause} ${policies.map(({ name }) => name).join(" ")}`;
    return this.#once(key, table, () => {
      const scope = policyScope(
        this.names.surroundings((other) => this.#isWalled(role, other)),
        table.name,
      );
      const read = (policy: Policy): Condition => {
        const text = clause === "USING" ? policy.using : (policy.check ?? policy.using);
        return text === undefined ? TRUE : readPolicy(text, scope);
      };
      const condition = all([...restrictive.map(read), permissive.length === 0 ? FALSE : any(permissive.map(read))]);
      return this.#settle(condition, table, scope.course.calledUnknown);
    });
  }

  alone(policy: Policy, clause: Clause): Decision {
    // What its subqueries read may be walled for one role and not for the next: the worst answer counts.
    const answers = this.#roles.map((role) => this.#ofPolicy(policy, clause, { what: "alone", role, of: (it) => it }));
    const open = answers.find(({ answer }) => answer === "does not imply");
    return open ?? answers.find(({ answer }) => answer === "unknown") ?? answers[0] ?? NO_RIGHTS;
  }

  isAlwaysTrue(policy: Policy, clause: Clause): boolean {
    const fails = (condition: Condition): Condition => ({
      kind: "not",
      condition: { kind: "is", condition, value: true },
    });
    // That it is never anything but true for others' rows has the form of a wall.
    return this.#roles.some(
      (role) => this.#ofPolicy(policy, clause, { what: "fails", role, of: fails }).answer === "implies",
    );
  }

  #ofPolicy(policy: Policy, clause: Clause, { what, role, of }: Asked): Decision {
    const table = this.#context.table(policy.table);
    const text = clause === "USING" ? policy.using : (policy.check ?? policy.using);
    if (table === undefined) return { answer: "unknown", notUnderstood: "a table that is not there" };
    return this.#once(`${what} ${role} ${table.name} ${policy.name} ${clause}`, table, () => {
      const scope = policyScope(
        this.names.surroundings((other) => this.#isWalled(role, other)),
        table.name,
      );
      const condition = text === undefined ? TRUE : readPolicy(text, scope);
      return this.#settle(of(condition), table, scope.course.calledUnknown);
    });
  }

  judge(table: Table, condition: Condition): Decision {
    return this.#settle(condition, table, undefined);
  }

  /** Why row-level security does not apply. */
  bypass(role: string, relation: Relation): string | undefined {
    const { catalog } = this.#context;
    const found = catalog.roles.find(({ name }) => name === role);
    if (found?.superuser === true) return `${role} is superuser`;
    if (found?.bypassRls === true) return `${role} has BYPASSRLS`;
    if (!relation.rowSecurity) return "row-level security is off";
    const owns = catalog.access.reach(role).get(relation.owner);
    const isOwner = owns !== undefined && (owns.way === "self" || owns.way === "inherit");
    return isOwner && !relation.forced ? `${role} owns it and row-level security is not forced` : undefined;
  }

  #applicable(role: string, table: Table, command: Command): readonly Policy[] {
    const reach = this.#context.catalog.access.reach(role);
    const has = (name: string): boolean => {
      const way = reach.get(name)?.way;
      return name === "public" || way === "self" || way === "inherit";
    };
    return this.policiesOf(table).filter(
      (policy) => (policy.command === "ALL" || policy.command === command) && policy.roles.some(has),
    );
  }

  #settle(condition: Condition, table: Table, calledUnknown: string | undefined): Decision {
    const whose = this.#whoseUnknown(table);
    if (whose !== undefined) return whose;
    const { context } = this.#context.settings;
    const decision = caseProver.decide({ condition, tenantNullable: table.tenantColumn?.notNull !== true });
    // With a plain setting for a context, whatever is called could change it between two parts of the expression.
    if (decision.answer !== "implies" || context.kind === "ringwall" || calledUnknown === undefined) return decision;
    return { answer: "unknown", notUnderstood: `whether ${calledUnknown}() changes the setting ${context.name}` };
  }

  #whoseUnknown(table: Table): Decision | undefined {
    if (table.tenantColumn !== undefined || this.names.links(table.name).length > 0) return undefined;
    return {
      answer: "unknown",
      notUnderstood: "whose a row is: it has no tenant column and refers to no table that has",
    };
  }

  #isWalled(role: string, name: string): boolean {
    const relation = this.names.relation(name);
    const table = relation === undefined ? undefined : this.#context.table(relation.oid);
    if (table?.tenantColumn === undefined || !table.relation.kind.endsWith("table")) return false;
    return this.decide(role, table, "SELECT", "USING").answer === "implies";
  }

  /** Works out what is not known; policies that ask for each other are an error when they run, and not walled here. */
  #once(key: string, table: Table, work: () => Decision): Decision {
    const known = this.#decided.get(key);
    if (known !== undefined) return known;
    if (this.#open.has(key)) return { answer: "unknown", notUnderstood: `a policy on ${table.name} that needs itself` };
    this.#open.add(key);
    const decision = work();
    this.#open.delete(key);
    this.#decided.set(key, decision);
    return decision;
  }
}
