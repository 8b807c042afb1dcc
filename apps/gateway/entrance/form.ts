import { RingwallError } from "ringwall/core";
import type { Call } from "../call.ts";

/** Reads a form's body, whole. @throws RingwallError `request.too_large`, `request.media_type`, `request.malformed` */
export async function readForm({ request }: Call, bytesMax: number): Promise<URLSearchParams> {
  const type = request.headers["content-type"] ?? "";
  // A sign-out form has no fields, and browsers still name its type.
  if (!/^application\/x-www-form-urlencoded *(?:;|$)/i.test(type)) throw new RingwallError("request.media_type");
  const chunks: Buffer[] = [];
  let bytes = 0;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      request.pause();
      reject(new RingwallError("request.too_large", { detail: { reason: "form" } }));
    } else chunks.push(chunk);
  });
  request.once("end", resolve);
  request.once("error", reject);
  request.once("close", () => reject(new RingwallError("request.malformed", { detail: { reason: "body_cut" } })));
  await promise;
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
}
