import { type Kysely, sql } from "kysely";
import type { Migration } from "./migration.ts";
import { definerFunction, wall } from "./wall.ts";

/** People, their factors and sessions, sign-ins under way, one-time links and attempts; and the narrow look-ups. */
export const migration: Migration = {
  name: "0004_identity",
  async up(db) {
    await createUsers(db);
    await createSessions(db);
    await createLogins(db);
    await createLinks(db);
    await createAttempts(db);
    await createLookups(db);
    await createTokenLookups(db);
  },
};

async function createUsers(db: Kysely<unknown>): Promise<void> {
  // Unique within the tenant: the same address in two tenants is two accounts that know nothing of each other.
  await sql`
    create table ringwall.user_account (
      tenant_id       text        not null default ringwall.tenant() check (tenant_id <> '')
                                  references ringwall.tenant (tenant_id),
      user_id         uuid        not null,
      email           text        not null check (octet_length(email) between 3 and 254),
      name            text        not null check (length(name) between 1 and 100),
      role            text        not null check (role in ('viewer', 'editor', 'admin', 'owner')),
      status          text        not null default 'active' check (status in ('active', 'disabled')),
      password_hash   text        not null check (password_hash like '$argon2id$%'),
      factor_required boolean     not null default false,
      created_at      timestamptz not null,
      primary key (tenant_id, user_id),
      unique (tenant_id, email)
    )`.execute(db);
  await wall(db, "user_account", { ringwall_app: ["select", "insert"] });
  // Tenant, id and address of a person never change in place.
  await sql`
    grant update (name, role, status, password_hash, factor_required)
      on ringwall.user_account to ringwall_app`.execute(db);

  // last_step: the highest step whose code was accepted. The conditional update on it is what makes a code work once.
  await sql`
    create table ringwall.totp_factor (
      tenant_id   text        not null default ringwall.tenant() check (tenant_id <> ''),
      user_id     uuid        not null,
      seed        bytea       not null,
      last_step   bigint      not null check (last_step > 0),
      enrolled_at timestamptz not null,
      primary key (tenant_id, user_id),
      foreign key (tenant_id, user_id) references ringwall.user_account (tenant_id, user_id)
    )`.execute(db);
  await wall(db, "totp_factor", { ringwall_app: ["select", "insert", "delete"] });
  await sql`grant update (seed, last_step, enrolled_at) on ringwall.totp_factor to ringwall_app`.execute(db);
}

async function createSessions(db: Kysely<unknown>): Promise<void> {
  // created_at is the sign-in's and goes over to a session that replaces this one, as expires_at does: no change of
  // level makes a session live longer. enrolment_seed: sealed, of a second factor that is being set up.
  await sql`
    create table ringwall.session (
      tenant_id        text        not null default ringwall.tenant() check (tenant_id <> ''),
      session_id       uuid        not null,
      user_id          uuid        not null,
      token_hash       bytea       not null check (octet_length(token_hash) = 32),
      aal              smallint    not null check (aal in (1, 2)),
      second_factor_at timestamptz check ((second_factor_at is null) = (aal = 1)),
      created_at       timestamptz not null,
      last_seen_at     timestamptz not null,
      expires_at       timestamptz not null,
      address_prefix   text        check (length(address_prefix) <= 64),
      user_agent       text        check (length(user_agent) <= 256),
      enrolment_seed   bytea,
      revoked_at       timestamptz,
      primary key (tenant_id, session_id),
      foreign key (tenant_id, user_id) references ringwall.user_account (tenant_id, user_id)
    )`.execute(db);
  await wall(db, "session", { ringwall_app: ["select", "insert", "delete"] });
  await sql`
    grant update (last_seen_at, enrolment_seed, revoked_at) on ringwall.session to ringwall_app`.execute(db);
  // Not tenant first: a bearer token is all there is when its session is looked up. Only the definer function does.
  await sql`create unique index session_by_token on ringwall.session (token_hash)`.execute(db);
  await sql`
    create index session_by_user on ringwall.session (tenant_id, user_id) where revoked_at is null`.execute(db);
  await sql`create index session_by_expiry on ringwall.session (tenant_id, expires_at)`.execute(db);
}

async function createLogins(db: Kysely<unknown>): Promise<void> {
  // A password was right, a second factor is still due. Another table than sessions, and another token: nothing that
  // asks for a session can find one of these.
  await sql`
    create table ringwall.login_transaction (
      tenant_id      text        not null default ringwall.tenant() check (tenant_id <> ''),
      login_id       uuid        not null,
      user_id        uuid        not null,
      token_hash     bytea       not null check (octet_length(token_hash) = 32),
      wrong_codes    integer     not null default 0,
      enrolment_seed bytea,
      address_prefix text        check (length(address_prefix) <= 64),
      user_agent     text        check (length(user_agent) <= 256),
      created_at     timestamptz not null,
      expires_at     timestamptz not null,
      ended_at       timestamptz,
      primary key (tenant_id, login_id),
      foreign key (tenant_id, user_id) references ringwall.user_account (tenant_id, user_id)
    )`.execute(db);
  await wall(db, "login_transaction", { ringwall_app: ["select", "insert", "delete"] });
  await sql`
    grant update (wrong_codes, enrolment_seed, ended_at) on ringwall.login_transaction to ringwall_app`.execute(db);
  await sql`create unique index login_by_token on ringwall.login_transaction (token_hash)`.execute(db);
  await sql`create index login_by_user on ringwall.login_transaction (tenant_id, user_id)`.execute(db);
  await sql`create index login_by_expiry on ringwall.login_transaction (tenant_id, expires_at)`.execute(db);
}

async function createLinks(db: Kysely<unknown>): Promise<void> {
  // One row for each kind and subject, so issuing a link again kills the one before by overwriting it.
  // subject: an address for an invitation, a user's id for a recovery, the tenant for the bootstrap.
  // created_by: null when the platform made it, which it can only for a tenant's first owner.
  await sql`
    create table ringwall.link (
      tenant_id  text        not null default ringwall.tenant() check (tenant_id <> '')
                             references ringwall.tenant (tenant_id),
      kind       text        not null check (kind in ('bootstrap', 'invitation', 'password', 'factor')),
      subject    text        not null check (length(subject) between 1 and 254),
      token_hash bytea       not null check (octet_length(token_hash) = 32),
      role       text        check (role in ('viewer', 'editor', 'admin', 'owner')),
      created_by uuid,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      used_at    timestamptz,
      primary key (tenant_id, kind, subject),
      check ((role is not null) = (kind = 'invitation'))
    )`.execute(db);
  await wall(db, "link", { ringwall_app: ["select", "insert", "update", "delete"] });
  await sql`create unique index link_by_token on ringwall.link (token_hash)`.execute(db);
}

async function createAttempts(db: Kysely<unknown>): Promise<void> {
  // account: a keyed commitment to an address, whether or not it exists. reserved: attempts begun and not given back.
  await sql`
    create table ringwall.attempt (
      tenant_id text        not null default ringwall.tenant() check (tenant_id <> '')
                            references ringwall.tenant (tenant_id),
      scope     text        not null check (scope in ('password', 'code')),
      account   bytea       not null check (octet_length(account) = 32),
      reserved  integer     not null check (reserved >= 0),
      failed    integer     not null check (failed >= 0),
      locked_at timestamptz,
      ends_at   timestamptz not null,
      primary key (tenant_id, scope, account)
    )`.execute(db);
  await wall(db, "attempt", { ringwall_app: ["select", "insert", "update", "delete"] });
  await sql`create index attempt_by_expiry on ringwall.attempt (tenant_id, ends_at)`.execute(db);
}

// The bodies are SQL-standard (`return`-style), parsed now: every name in them is bound to its object, so a hostile
// search_path at call time changes nothing.
async function createLookups(db: Kysely<unknown>): Promise<void> {
  await sql`
    grant select on ringwall.user_account, ringwall.totp_factor, ringwall.session, ringwall.login_transaction,
      ringwall.link to ringwall_definer`.execute(db);
  await sql`
    create function ringwall.session_by_hash(wanted bytea)
      returns table (tenant_id text, session_id uuid, user_id uuid, role text, user_status text, tenant_status text,
        factor_required boolean, aal smallint, second_factor_ms float8, created_ms float8, last_seen_ms float8,
        expires_ms float8, revoked boolean)
      language sql stable security definer
      begin atomic
        select s.tenant_id, s.session_id, s.user_id, u.role, u.status, t.status, u.factor_required, s.aal,
          round(extract(epoch from s.second_factor_at) * 1000)::float8,
          round(extract(epoch from s.created_at) * 1000)::float8,
          round(extract(epoch from s.last_seen_at) * 1000)::float8,
          round(extract(epoch from s.expires_at) * 1000)::float8,
          s.revoked_at is not null
        from ringwall.session s
          join ringwall.user_account u on u.tenant_id = s.tenant_id and u.user_id = s.user_id
          join ringwall.tenant t on t.tenant_id = s.tenant_id
        where s.token_hash = wanted;
      end`.execute(db);
  await definerFunction(db, "session_by_hash(bytea)", ["ringwall_app"]);

  // One row when the tenant exists; the user's columns are null when it has no such user.
  await sql`
    create function ringwall.sign_in_user(wanted_tenant text, wanted_email text)
      returns table (tenant_status text, user_id uuid, role text, user_status text, password_hash text,
        factor_required boolean, enrolled boolean)
      language sql stable security definer
      begin atomic
        select t.status, u.user_id, u.role, u.status, u.password_hash, u.factor_required, f.user_id is not null
        from ringwall.tenant t
          left join ringwall.user_account u on u.tenant_id = t.tenant_id and u.email = wanted_email
          left join ringwall.totp_factor f on f.tenant_id = u.tenant_id and f.user_id = u.user_id
        where t.tenant_id = wanted_tenant;
      end`.execute(db);
  await definerFunction(db, "sign_in_user(text, text)", ["ringwall_app"]);
}

/** The same for the two one-time tokens. */
async function createTokenLookups(db: Kysely<unknown>): Promise<void> {
  await sql`
    create function ringwall.login_by_hash(wanted bytea)
      returns table (tenant_id text, login_id uuid, user_id uuid, email text, role text, user_status text,
        tenant_status text, expires_ms float8, ended boolean, enrolment_seed bytea, seed bytea,
        address_prefix text, user_agent text)
      language sql stable security definer
      begin atomic
        select l.tenant_id, l.login_id, l.user_id, u.email, u.role, u.status, t.status,
          round(extract(epoch from l.expires_at) * 1000)::float8, l.ended_at is not null, l.enrolment_seed, f.seed,
          l.address_prefix, l.user_agent
        from ringwall.login_transaction l
          join ringwall.user_account u on u.tenant_id = l.tenant_id and u.user_id = l.user_id
          join ringwall.tenant t on t.tenant_id = l.tenant_id
          left join ringwall.totp_factor f on f.tenant_id = l.tenant_id and f.user_id = l.user_id
        where l.token_hash = wanted;
      end`.execute(db);
  await definerFunction(db, "login_by_hash(bytea)", ["ringwall_app"]);

  await sql`
    create function ringwall.link_by_hash(wanted bytea)
      returns table (tenant_id text, kind text, subject text, role text, first_owner boolean, expires_ms float8,
        used boolean, tenant_status text, tenant_name text, user_id uuid, email text, name text, user_role text, user_status text,
        password_hash text, factor_required boolean, enrolled boolean)
      language sql stable security definer
      begin atomic
        select l.tenant_id, l.kind, l.subject, l.role,
          l.kind = 'bootstrap' or (l.kind = 'invitation' and l.created_by is null),
          round(extract(epoch from l.expires_at) * 1000)::float8,
          l.used_at is not null, t.status, t.name, u.user_id, u.email, u.name, u.role, u.status, u.password_hash,
          u.factor_required, f.user_id is not null
        from ringwall.link l
          join ringwall.tenant t on t.tenant_id = l.tenant_id
          left join ringwall.user_account u on u.tenant_id = l.tenant_id and l.kind in ('password', 'factor')
            and u.user_id::text = l.subject
          left join ringwall.totp_factor f on f.tenant_id = u.tenant_id and f.user_id = u.user_id
        where l.token_hash = wanted;
      end`.execute(db);
  await definerFunction(db, "link_by_hash(bytea)", ["ringwall_app"]);
}
