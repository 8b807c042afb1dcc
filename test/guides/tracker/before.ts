/**
 * A ticket tracker as somebody wrote it without Ringwall, with the mistakes such applications have: its own users table
 * and sessions, one of four routes that forgets the company, one that forgets to ask who is there, and contacts in clear.
 *
 * @module
 */
import { randomBytes, scryptSync, timingSafeEqual } from "node:crypto";
import Fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import type { Pool } from "pg";

export const SCHEMA = `
  create schema tracker;
  create table tracker.app_user (
    user_id  uuid primary key default gen_random_uuid(),
    company  text not null,
    email    text not null unique,
    name     text not null,
    password text not null
  );
  create table tracker.ticket (
    ticket_id  uuid primary key default gen_random_uuid(),
    company    text not null,
    author     uuid not null references tracker.app_user,
    title      text not null,
    contact    text not null,
    created_at timestamptz not null default now()
  );`;

interface Session {
  readonly user: string;
  readonly company: string;
}

export function hashPassword(password: string): string {
  const salt = randomBytes(16);
  return `${salt.toString("hex")}:${scryptSync(password, salt, 32).toString("hex")}`;
}

function isRight(password: string, stored: string): boolean {
  const [salt = "", hash = ""] = stored.split(":").map((part) => Buffer.from(part, "hex"));
  return timingSafeEqual(scryptSync(password, salt, 32), Buffer.from(hash));
}

export function createTracker(pool: Pool): FastifyInstance {
  const app = Fastify();
  const sessions = new Map<string, Session>();
  const whoIs = (request: FastifyRequest): Session | undefined => sessions.get(request.headers.authorization ?? "");

  app.post<{ Body: { email: string; password: string } }>("/login", async (request, reply) => {
    const { email, password } = request.body;
    const { rows } = await pool.query("select user_id, company, password from tracker.app_user where email = $1", [
      email,
    ]);
    if (rows.length === 0 || !isRight(password, rows[0].password)) return await reply.code(401).send();
    const token = randomBytes(24).toString("hex");
    sessions.set(token, { user: rows[0].user_id, company: rows[0].company });
    return { token };
  });

  app.get("/tickets", async (request, reply) => {
    const session = whoIs(request);
    if (session === undefined) return await reply.code(401).send();
    const tickets = "select ticket_id as id, title from tracker.ticket where company = $1 order by created_at";
    return (await pool.query(tickets, [session.company])).rows;
  });

  app.get<{ Params: { id: string } }>("/tickets/:id", async (request, reply) => {
    if (whoIs(request) === undefined) return await reply.code(401).send();
    // The company is missing.
    const ticket = "select ticket_id as id, title, contact from tracker.ticket where ticket_id = $1";
    const { rows } = await pool.query(ticket, [request.params.id]);
    return rows[0] ?? (await reply.code(404).send());
  });

  app.post<{ Body: { title: string; contact: string } }>("/tickets", async (request, reply) => {
    const session = whoIs(request);
    if (session === undefined) return await reply.code(401).send();
    const { rows } = await pool.query(
      "insert into tracker.ticket (company, author, title, contact) values ($1, $2, $3, $4) returning ticket_id as id",
      [session.company, session.user, request.body.title, request.body.contact],
    );
    return rows[0];
  });

  app.delete<{ Params: { id: string } }>("/tickets/:id", async (request) => {
    // Nobody is asked who they are.
    await pool.query("delete from tracker.ticket where ticket_id = $1", [request.params.id]);
    return {};
  });
  return app;
}
