import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { RingwallError } from "ringwall/core";
import { isDroppedFromAnswer, namedIn } from "../fields.ts";
import { failureOf } from "./relay.ts";
import { takePlace, type Upstream } from "./upstream.ts";

/** One upgraded connection, to be made. */
export interface UpgradeOptions {
  readonly upstream: Upstream;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What the visitor sent after the head already. */
  readonly head: Buffer;
  readonly method: string;
  readonly target: string;
  readonly fields: readonly string[];
}

/**
 * Asks the upstream for the same upgrade, and joins both connections when it agrees. Gives what closes them.
 * @throws RingwallError when the upstream does not agree; nothing was written to the visitor then
 */
export async function joinUpgrade(options: UpgradeOptions, onClose: () => void): Promise<() => void> {
  const { fields, head, method, request, socket, target, upstream } = options;
  takePlace(upstream);
  try {
    const accept = acceptOf(request);
    const answer = await dial();
    const { headers } = answer.response;
    if (headers.upgrade?.toLowerCase() !== "websocket" || headers["sec-websocket-accept"] !== accept) {
      answer.socket.destroy();
      throw new RingwallError("upstream.unavailable", { detail: { cause: "no_websocket" } });
    }
    socket.write(headOf(answer.response), "latin1");
    if (answer.head.length > 0) socket.write(answer.head);
    if (head.length > 0) answer.socket.write(head);
    return join(socket, answer.socket, () => {
      upstream.busy -= 1;
      onClose();
    });
  } catch (error) {
    upstream.busy -= 1;
    throw failureOf(error);
  }

  async function dial(): Promise<{ response: IncomingMessage; socket: Duplex; head: Buffer }> {
    const { promise, resolve, reject } = Promise.withResolvers<{
      response: IncomingMessage;
      socket: Duplex;
      head: Buffer;
    }>();
    const upgrade = ["connection", "Upgrade", "upgrade", "websocket"];
    const asking = upstream.dial({ method, path: target, headers: [...fields, ...upgrade], setHost: false });
    asking.once("upgrade", (response, upstreamSocket, rest) =>
      resolve({ response, socket: upstreamSocket, head: rest }),
    );
    asking.once("response", (response) => {
      response.destroy();
      reject(
        new RingwallError("upstream.unavailable", {
          detail: { cause: "no_upgrade", status: response.statusCode ?? 0 },
        }),
      );
    });
    asking.once("timeout", () => asking.destroy(new RingwallError("upstream.timeout")));
    asking.once("error", reject);
    socket.once("close", () => asking.destroy());
    // A visitor who resets the connection meanwhile is no error of ours.
    socket.on("error", () => asking.destroy());
    request.resume();
    asking.end();
    return await promise;
  }
}

/**
 * What an upstream that speaks WebSocket answers (RFC 6455, section 4.2.2). Anything else that says 101 would be a way to
 * send requests that nobody looks at.
 * @throws RingwallError `request.malformed` for a handshake that is none
 */
function acceptOf({ headers }: IncomingMessage): string {
  const key = headers["sec-websocket-key"] ?? "";
  if (headers["sec-websocket-version"] !== "13" || !/^[A-Za-z0-9+/]{22}==$/.test(key)) {
    throw new RingwallError("request.malformed", { detail: { reason: "websocket_handshake" } });
  }
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** Back-pressure is the pipe's; whichever side ends, ends both. */
function join(visitor: Duplex, upstream: Duplex, onClose: () => void): () => void {
  let isOpen = true;
  const close = (): void => {
    visitor.destroy();
    upstream.destroy();
    if (!isOpen) return;
    isOpen = false;
    onClose();
  };
  for (const side of [visitor, upstream]) {
    side.on("error", close);
    side.once("close", close);
  }
  visitor.pipe(upstream);
  upstream.pipe(visitor);
  return close;
}

function headOf(response: IncomingMessage): string {
  const raw = response.rawHeaders;
  const named = namedIn(response.headers.connection ?? "");
  let text = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? "").toLowerCase();
    // An upgrade sets no cookies here: what it would plant is not looked at.
    if (!isDroppedFromAnswer(name) && name !== "set-cookie" && named?.has(name) !== true)
      text += `${name}: ${raw[index + 1] ?? ""}\r\n`;
  }
  return `${text}\r\n`;
}
