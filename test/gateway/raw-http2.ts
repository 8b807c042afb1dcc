import { connect } from "node:tls";

/** Types and flags of frames (RFC 9113, section 6). */
export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, goaway: 7, continuation: 9 } as const;
const END_STREAM = 1;
const END_HEADERS = 4;
/** What a peer takes unless it says otherwise. */
const FRAME_BYTES_MAX = 16_384;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Fields as they would come off the wire, with nothing that a client library checks before it sends. */
export type RawFields = readonly (readonly [string, string])[];

export function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Literal fields without index and without Huffman (RFC 7541, section 6.2.2). */
export function fieldBlock(fields: RawFields): Buffer {
  const parts = fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]);
  return Buffer.concat(parts);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length: number[] = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** One request's frames, on the first stream. */
export function requestFrames(fields: RawFields, body?: string): Buffer {
  const block = fieldBlock(fields);
  const [first, rest] = [block.subarray(0, FRAME_BYTES_MAX), block.subarray(FRAME_BYTES_MAX)];
  const ends = body === undefined ? END_STREAM : 0;
  const head =
    rest.length === 0
      ? [frame(FRAME.headers, END_HEADERS | ends, 1, first)]
      : [frame(FRAME.headers, ends, 1, first), frame(FRAME.continuation, END_HEADERS, 1, rest)];
  if (body === undefined) return Buffer.concat(head);
  return Buffer.concat([...head, frame(FRAME.data, END_STREAM, 1, Buffer.from(body, "latin1"))]);
}

export interface RawAnswer {
  /** Frames that came back, in order, by type. */
  readonly types: readonly number[];
  /** Bytes of all header blocks and data, for what must not be in them. */
  readonly text: string;
  /** Whether a whole answer came on the first stream, whatever it said. */
  readonly isAnswered: boolean;
}

/** Sends frames as they are, and gives what comes back until the stream ends, is reset, or the connection closes. */
export async function rawHttp2(port: number, ca: Buffer, servername: string, frames: Buffer): Promise<RawAnswer> {
  const { promise, resolve } = Promise.withResolvers<RawAnswer>();
  const socket = connect({ host: "127.0.0.1", port, ca, servername, ALPNProtocols: ["h2"] });
  let waiting = Buffer.alloc(0);
  const types: number[] = [];
  let seen = "";
  let isAnswered = false;
  const finish = (): void => {
    socket.destroy();
    resolve({ types, text: seen, isAnswered });
  };
  socket.on("data", (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk]);
    while (waiting.length >= 9 && waiting.length >= 9 + waiting.readUIntBE(0, 3)) {
      const [length, type, flags, stream] = [
        waiting.readUIntBE(0, 3),
        waiting.readUInt8(3),
        waiting.readUInt8(4),
        waiting.readUInt32BE(5),
      ];
      types.push(type);
      if (type === FRAME.headers || type === FRAME.data) seen += waiting.toString("latin1", 9, 9 + length);
      waiting = waiting.subarray(9 + length);
      const ends = (type === FRAME.headers || type === FRAME.data) && (flags & END_STREAM) !== 0;
      if (ends && stream === 1) isAnswered = true;
      if (isAnswered || type === FRAME.reset || type === FRAME.goaway) return finish();
    }
  });
  socket.once("error", finish);
  socket.once("close", finish);
  socket.once("secureConnect", () => {
    socket.write(Buffer.concat([Buffer.from(PREFACE), frame(FRAME.settings, 0, 0, Buffer.alloc(0)), frames]));
  });
  return await promise;
}
