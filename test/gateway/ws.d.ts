// `ws` has no types of its own; this is the part that the tests use.
declare module "ws" {
  import type { EventEmitter } from "node:events";
  import type { IncomingMessage } from "node:http";
  import type { Duplex } from "node:stream";

  export class WebSocket extends EventEmitter {
    constructor(address: string, options?: { readonly headers?: Readonly<Record<string, string>> });
    send(data: string): void;
    close(): void;
  }
  export class WebSocketServer {
    constructor(options: { readonly noServer: true });
    handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, accepted: (peer: WebSocket) => void): void;
    close(): void;
  }
}
