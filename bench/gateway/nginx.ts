import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const POLL_MS = 50;
const START_MS = 10_000;

/** One nginx in one process, without a master and without root. */
export interface Nginx {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Why there is no nginx on this machine; undefined when there is one. */
export function nginxMissing(): string | undefined {
  const found = spawnSync("nginx", ["-v"], { stdio: "ignore" });
  return found.error === undefined && found.status === 0
    ? undefined
    : "nginx is not on PATH (Debian: apt install nginx)";
}

/** The application behind every proxy: as little work as can be, on a port and on a unix socket. */
export async function startUpstream(port: number, socket: string): Promise<Nginx> {
  const body = "x".repeat(200);
  return await start(
    port,
    `
    server {
      listen 127.0.0.1:${port};
      listen unix:${socket};
      default_type application/json;
      location / { return 200 '{"answer":"${body}"}'; }
    }`,
  );
}

/** nginx as a bare proxy, with connections kept as the others keep them. */
export async function startProxy(port: number, upstream: string): Promise<Nginx> {
  return await start(
    port,
    `
    upstream application { server ${new URL(upstream).host}; keepalive 64; keepalive_requests 1000000; }
    server {
      listen 127.0.0.1:${port};
      location / {
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_pass http://application;
      }
    }`,
  );
}

async function start(port: number, servers: string): Promise<Nginx> {
  const folder = mkdtempSync(path.join(tmpdir(), "ringwall-nginx-"));
  const file = path.join(folder, "nginx.conf");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  const text = `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
    events { worker_connections 1024; }
    http { access_log off; keepalive_requests 100000000; ${temporary.join(" ")} ${servers} }`;
  writeFileSync(file, text);
  const child = spawn("nginx", ["-p", folder, "-c", file], { stdio: ["ignore", "ignore", "ignore"] });
  const url = `http://127.0.0.1:${port}`;
  await untilAnswers(url, child);
  if (child.pid === undefined) throw new Error("nginx did not start");
  return {
    url,
    pid: child.pid,
    async stop() {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function untilAnswers(url: string, child: ChildProcess): Promise<void> {
  const failed = once(child, "exit").then(() => {
    throw new Error("nginx ended at once");
  });
  failed.catch(() => {});
  const started = performance.now();
  while (performance.now() - started < START_MS) {
    const isUp = await Promise.race([
      failed,
      fetch(url).then(
        () => true,
        () => false,
      ),
    ]);
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error("nginx did not answer");
}
