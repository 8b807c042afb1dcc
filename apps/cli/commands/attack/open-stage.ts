import { type Clock, randomBytes, randomToken } from "ringwall/core";
import { CommandFailed } from "../../command.ts";
import { type Answer, type Ask, exchange, exchangeRaw, type Place, textOf } from "./http.ts";
import { join, strongPassword } from "./people.ts";
import type { Backstage, Bank, Stage } from "./stage.ts";

export interface StageParts {
  readonly place: Place;
  readonly clock: Clock;
  readonly delay: (ms: number) => Promise<void>;
  readonly logFolder: string;
}

/** Makes two banks with their owners. @throws CommandFailed when the system does not let it. */
export async function openStage(parts: StageParts): Promise<Stage> {
  const backstage = openBackstage(parts);
  await checkLoopback(backstage);
  try {
    return { ...backstage, a: await backstage.bank(), b: await backstage.bank() };
  } catch (error) {
    await backstage.close();
    throw error;
  }
}

function openBackstage(parts: StageParts): Backstage {
  const { place } = parts;
  const visitor = visitors();
  const secrets = new Set<string>();
  const refusals: string[] = [];
  const tenants: string[] = [];
  const keep = (answer: Answer): Answer => {
    if (answer.status >= 400) refusals.push(answer.text);
    return answer;
  };
  const backstage: Backstage = {
    ...parts,
    visitor,
    secrets,
    refusals,
    name: (prefix) => `${prefix}-${randomBytes(5).toString("hex")}`,
    secret(text) {
      secrets.add(text);
      return text;
    },
    async send(ask) {
      const { fresh, ...rest } = ask;
      const headers = fresh ? { ...rest.headers, "idempotency-key": randomToken(18) } : (rest.headers ?? {});
      return keep(await exchange(place, { ...rest, headers, from: ask.from ?? visitor() }));
    },
    prepare: async (ask) => await backstage.send(ask),
    async must(ask) {
      const answer = await backstage.send(ask);
      if (answer.status >= 200 && answer.status < 300) return answer;
      throw refusedSetup(ask, answer);
    },
    raw: async (bytes, server = "api") => keep(await exchangeRaw(place, visitor(), server, Buffer.from(bytes))),
    async enter(tenant) {
      tenants.push(tenant);
      const body = { id: tenant, name: tenant };
      return await backstage.must({ method: "POST", path: "/v1/tenants", server: "socket", body });
    },
    bank: async () => await openBank(backstage),
    accept: async (bank, invitation, password = strongPassword(backstage)) =>
      await join(backstage, bank.tenant, invitation, password),
    close: async () => await suspendAll(backstage, tenants),
  };
  return backstage;
}

/** Suspends the tenants and returns those that are now, also those that an attack has suspended before. */
async function suspendAll(stage: Backstage, tenants: readonly string[]): Promise<readonly string[]> {
  const suspended: string[] = [];
  for (const tenant of tenants) {
    const answer = await stage.send({ method: "POST", path: `/v1/tenants/${tenant}/suspend`, server: "socket" });
    if (answer.status === 204 || answer.status === 409) suspended.push(tenant);
  }
  return suspended;
}

/** @throws CommandFailed where loopback has one address only, so that attacks would share the limits of addresses. */
async function checkLoopback(stage: Backstage): Promise<void> {
  try {
    await stage.send({ method: "GET", path: "/healthz" });
  } catch (error) {
    const cause = error instanceof CommandFailed ? error.cause : undefined;
    if (!(cause instanceof Error && "code" in cause && cause.code === "EADDRNOTAVAIL")) throw error;
    throw new CommandFailed("this system has no addresses like 127.16.0.1, which the attacks come from", {
      wayOut: "Run it on Linux, where all of 127.0.0.0/8 is loopback.",
      cause: error,
    });
  }
}

function refusedSetup(ask: Ask, answer: Answer): CommandFailed {
  const what = `${ask.method} ${ask.path.replace(/\?.*/, "")}`;
  return new CommandFailed(`the stage could not be built: ${what} answered ${answer.status} ${answer.code}`);
}

async function openBank(stage: Backstage): Promise<Bank> {
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
function linkToken(stage: Backstage, answer: Answer): string {
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
