import { type Clock, randomBytes, randomToken } from "ringwall/core";
import { CommandFailed } from "../../command.ts";
import { type Answer, type Ask, exchange, exchangeRaw, type Place, textOf } from "./http.ts";
import { join, strongPassword } from "./people.ts";
import type { Bank, Invitation, Stage } from "./stage.ts";

export interface StageParts {
  readonly place: Place;
  readonly clock: Clock;
  readonly delay: (ms: number) => Promise<void>;
  readonly logFolder: string;
}

/** Makes two banks with their owners. @throws CommandFailed when the system does not let it. */
export async function openStage(parts: StageParts): Promise<Stage> {
  const { place } = parts;
  const visitor = visitors();
  const secrets = new Set<string>();
  const refusals: string[] = [];
  const tenants: string[] = [];
  const keep = (answer: Answer): Answer => {
    if (answer.status >= 400) refusals.push(answer.text);
    return answer;
  };
  const base = {
    ...parts,
    visitor,
    secrets,
    refusals,
    name: (prefix: string) => `${prefix}-${randomBytes(5).toString("hex")}`,
    secret(text: string) {
      secrets.add(text);
      return text;
    },
    async send(ask: Ask) {
      const { fresh, ...rest } = ask;
      const headers = fresh ? { ...rest.headers, "idempotency-key": randomToken(18) } : (rest.headers ?? {});
      return keep(await exchange(place, { ...rest, headers, from: ask.from ?? visitor() }));
    },
    async must(ask: Ask) {
      const answer = await base.send(ask);
      if (answer.status >= 200 && answer.status < 300) return answer;
      throw refusedSetup(ask, answer);
    },
    async raw(bytes: string | Buffer, server: "api" | "bank" = "api") {
      return keep(await exchangeRaw(place, visitor(), server, Buffer.from(bytes)));
    },
    async enter(tenant: string) {
      tenants.push(tenant);
      const body = { id: tenant, name: tenant };
      return await base.must({ method: "POST", path: "/v1/tenants", server: "socket", body });
    },
    bank: async () => await openBank(stage),
    async accept(bank: Bank, invitation: Invitation, password = strongPassword(stage), name = "Alex Example") {
      return await join(stage, bank.tenant, invitation, password, name);
    },
    async close() {
      const suspended: string[] = [];
      for (const tenant of tenants) {
        const path = `/v1/tenants/${tenant}/suspend`;
        const answer = await base.send({ method: "POST", path, server: "socket" });
        // Some attack may have suspended it already: that is a conflict, and as good.
        if (answer.status === 204 || answer.status === 409) suspended.push(tenant);
      }
      return suspended;
    },
  };
  // The banks need a stage to be built on; `a` and `b` are set before anybody gets it.
  const stage = base as typeof base & { a: Bank; b: Bank };
  stage.a = await stage.bank();
  stage.b = await stage.bank();
  return stage;
}

function refusedSetup(ask: Ask, answer: Answer): CommandFailed {
  const what = `${ask.method} ${ask.path.replace(/\?.*/, "")}`;
  return new CommandFailed(`the stage could not be built: ${what} answered ${answer.status} ${answer.code}`);
}

async function openBank(stage: Stage): Promise<Bank> {
  const tenant = stage.name("attack");
  await stage.enter(tenant);
  const email = `${stage.name("owner")}@example.com`;
  const path = `/v1/tenants/${tenant}/owner-invitations`;
  const answer = await stage.must({ method: "POST", path, server: "socket", body: { email } });
  const invitation = { token: linkToken(stage, answer), email };
  const owner = await join(stage, tenant, invitation, strongPassword(stage));
  const bank: Bank = {
    tenant,
    owner,
    async invite(role, wanted) {
      const address = wanted ?? `${stage.name(role)}@example.com`;
      const body = { email: address, role };
      const made = await stage.must({ method: "POST", path: "/v1/invitations", session: owner.session, body });
      return { token: linkToken(stage, made), email: address };
    },
    person: async (role) => await join(stage, tenant, await bank.invite(role), strongPassword(stage)),
  };
  return bank;
}

/** The token of a link: what follows the number sign, which no browser sends. */
function linkToken(stage: Stage, answer: Answer): string {
  const link = textOf(answer, "link");
  const token = link.split("#")[1];
  if (token === undefined) throw new CommandFailed("a link without a token");
  return stage.secret(token);
}

/**
 * Addresses of 127.0.0.0/8, each once. The run's own corner of it is drawn by chance, so that a run right after
 * another does not meet its limits.
 */
function visitors(): () => string {
  const [first = 0, second = 0] = randomBytes(2);
  let count = 0;
  return () => {
    count += 1;
    // Never 127.0.x.y, where the machine's own services talk to each other.
    return `127.${16 + (first % 224)}.${(second + Math.floor(count / 250)) % 256}.${1 + (count % 250)}`;
  };
}
