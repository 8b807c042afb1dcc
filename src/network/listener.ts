import { z } from "zod";
import { type Mode, RingwallError } from "../core/index.ts";
import { isLoopback } from "./loopback.ts";

/** Layer 2's part of the configuration. */
export const NetworkConfig = z
  .strictObject({
    /** The address to listen on. Loopback unless somebody decides otherwise. */
    host: z.string().min(1).max(255).default("127.0.0.1"),
    /** Certificate and key of this listener itself, as files. `undefined`: it speaks plain HTTP. */
    tls: z
      .strictObject({
        certificateFile: z.string().min(1).max(4_096),
        keyFile: z.string().min(1).max(4_096),
        /** 1.2 only for clients that cannot do better. */
        minimum: z.enum(["TLSv1.2", "TLSv1.3"]).default("TLSv1.3"),
      })
      .optional(),
    /**
     * States that a proxy of ours ends TLS before this listener and that nobody else reaches it. The proxy's address
     * belongs into `perimeter.trustedProxies` too.
     */
    declaredProxy: z.boolean().default(false),
  })
  .readonly();
export type NetworkConfig = z.output<typeof NetworkConfig>;

/** What decides whether a listener may start. */
export interface ListenerFacts {
  readonly mode: Mode;
  readonly host: string;
  /** Whether the listener itself speaks TLS. */
  readonly tls: boolean;
  readonly declaredProxy: boolean;
}

/**
 * Refuses a listener that would carry credentials in clear, or development's weaker checks, beyond this machine.
 * Call it before binding.
 *
 * @throws RingwallError `config.invalid` for development beyond loopback, whatever else is set, and for a plain listener
 * beyond loopback without a declared proxy that ends TLS.
 */
export function checkListener(facts: ListenerFacts): void {
  if (isLoopback(facts.host)) return;
  if (facts.mode === "development") {
    throw refused("development mode listens on loopback only; use mode production to listen beyond it");
  }
  if (!facts.tls && !facts.declaredProxy) {
    throw refused(
      "a plain listener beyond loopback needs network.tls, or network.declaredProxy for a proxy that ends TLS",
    );
  }
}

function refused(reason: string): RingwallError {
  return new RingwallError("config.invalid", { message: `network.host: ${reason}` });
}
