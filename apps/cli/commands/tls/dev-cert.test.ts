import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmodSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { systemClock } from "ringwall/core";
import { freePort, opensslMissing } from "ringwall/testing";
import { describe, expect, test } from "vitest";
import { recorded, temporaryFolder } from "../../context.fixture.ts";
import { writePrivateFile } from "../../private-file.ts";
import { run } from "../../run.ts";
import { commands } from "../index.ts";
import { startRingwall } from "../start/start.fixture.ts";

const missing = opensslMissing();

async function ringwall(folder: string, ...words: string[]): Promise<{ code: number; said: string }> {
  const { context, out, err } = recorded({ cwd: folder }, { clock: systemClock });
  const code = await run(commands, words, context);
  return { code, said: [...out, ...err].join("\n") };
}

describe.skipIf(missing !== undefined)(
  `a development certificate${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    test("is for localhost alone, private, and signed by an authority that is made once and can sign nothing else", async () => {
      const folder = temporaryFolder();
      const data = join(folder, "data");
      const at = (name: string): string => join(data, "tls", name);
      expect((await ringwall(folder, "tls", "dev-cert", "--data", data, "--names", "bank.localhost")).code).toBe(0);
      for (const names of ["bank.example", "localhost.example", "bank.localhost\nCA:TRUE", "a.localhost,IP:10.0.0.1"]) {
        expect((await ringwall(folder, "tls", "dev-cert", "--data", data, "--names", names)).code).toBe(2);
      }
      expect(readdirSync(join(data, "tls")).sort()).toEqual(["ca.key", "ca.pem", "localhost.key", "localhost.pem"]);
      for (const name of readdirSync(join(data, "tls"))) expect(statSync(at(name)).mode & 0o777).toBe(0o600);
      const authority = new X509Certificate(readFileSync(at("ca.pem")));
      const server = new X509Certificate(readFileSync(at("localhost.pem")));
      expect(server.checkIssued(authority) && server.verify(authority.publicKey)).toBe(true);
      expect([server.checkHost("localhost"), server.checkHost("bank.localhost"), server.checkIP("127.0.0.1")]).toEqual([
        "localhost",
        "bank.localhost",
        "127.0.0.1",
      ]);
      expect([server.checkHost("bank.example"), server.ca, authority.ca]).toEqual([undefined, false, true]);
      const before = readFileSync(at("localhost.pem"), "utf8");
      expect((await ringwall(folder, "tls", "dev-cert", "--data", data, "--json")).said).toContain("ca_file");
      expect(new X509Certificate(readFileSync(at("ca.pem"))).fingerprint256).toBe(authority.fingerprint256);
      expect(readFileSync(at("localhost.pem"), "utf8")).not.toBe(before);
    });

    test("serves the API and its commands over TLS 1.3 alone, and links are https", async () => {
      const folder = temporaryFolder();
      // PostgreSQL runs as another account than root, and has to get into its folder.
      chmodSync(folder, 0o711);
      const data = join(folder, "data");
      await ringwall(folder, "tls", "dev-cert", "--data", data);
      const at = (name: string): string => join(data, "tls", name);
      const tls = { certificateFile: at("localhost.pem"), keyFile: at("localhost.key") };
      writePrivateFile(join(data, "ringwall.config.json"), JSON.stringify({ mode: "development", network: { tls } }));
      const port = await freePort();
      const started = await startRingwall(["--data", data, "--port", String(port), "--no-example"]);
      expect([started.refused, started.out.join("\n")]).toEqual([
        undefined,
        expect.stringContaining(`https://localhost:${port}`),
      ]);
      expect(readFileSync(join(data, "bootstrap-link.txt"), "utf8")).toContain(`https://localhost:${port}/bootstrap#`);
      const ca = readFileSync(at("ca.pem"), "utf8");
      const socket = connectTls({ host: "127.0.0.1", port, servername: "localhost", ca });
      await once(socket, "secureConnect");
      expect(socket.getProtocol()).toBe("TLSv1.3");
      socket.write("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      const answer = Buffer.concat(chunks).toString();
      expect(answer).toContain("200 OK");
      expect(answer.toLowerCase()).toContain("strict-transport-security: max-age=31536000");
      writePrivateFile(join(folder, "key"), "no-session-of-anybody-at-all\n");
      const remote = ["tenants", "list", "--url", `https://localhost:${port}`, "--credential", "key"];
      expect((await ringwall(folder, ...remote, "--ca", at("ca.pem"))).said).toContain("identity.sign_in_required");
      expect((await ringwall(folder, ...remote)).said).toMatch(/UNABLE_TO|SELF_SIGNED/);
      // Somebody who speaks HTTP to it gets no answer, and no request is logged for it.
      await expect(fetch(`http://127.0.0.1:${port}/readyz`)).rejects.toThrow("fetch failed");
      expect(readFileSync(join(data, "log", "server.log"), "utf8")).not.toContain("request.malformed");
    });
  },
);
