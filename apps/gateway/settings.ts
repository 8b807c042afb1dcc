import type { RingwallConfig } from "ringwall";
import { RingwallError } from "ringwall/core";
import { checkListener, type GatewayConfig, isLoopback } from "ringwall/network";
import { type Runtime, withBankRoute } from "ringwall/supervised";

const LOOPBACK = "127.0.0.1";

/** The configuration as the gateway's process runs with it. */
export interface GatewaySettings {
  /** The whole, with the perimeter answering for the gateway's hosts. */
  readonly config: RingwallConfig;
  readonly gateway: GatewayConfig;
  readonly port: number;
}

/**
 * What is configured, or in development a route to the example bank.
 * @throws RingwallError `config.invalid` when there is neither, or no port
 */
export function gatewayOf(config: RingwallConfig, runtime: Runtime): GatewaySettings {
  const { gateway: port } = runtime.ports;
  if (port === null) throw new RingwallError("config.invalid", { message: "the gateway has no port" });
  const whole = withBankRoute(config, runtime);
  const { perimeter } = whole;
  const { routes, signInHost } = whole.gateway;
  // Whatever was listed for the server: this process answers for its routes' hosts, and for no other.
  const hosts = [...new Set([...routes.map(({ host }) => host), ...(signInHost === undefined ? [] : [signInHost])])];
  const patch = perimeter.cors.patch || routes.some(({ methods }) => methods?.includes("PATCH") === true);
  const cors = { ...perimeter.cors, patch };
  return { config: { ...whole, perimeter: { ...perimeter, hosts, cors } }, gateway: whole.gateway, port };
}

/**
 * Where to listen: plain HTTP beyond this machine only behind a proxy that ends TLS, TLS wherever it is told to.
 * @throws RingwallError `config.invalid` for plain HTTP beyond loopback, and for development there
 */
export function placesOf({ gateway, config: { mode, network } }: Pick<GatewaySettings, "config" | "gateway">): {
  readonly plain: string;
  readonly tls: string | undefined;
} {
  const { host, tls } = gateway;
  const { declaredProxy } = network;
  checkListener({ mode, host, tls: tls !== undefined, declaredProxy });
  const plain = isLoopback(host) || declaredProxy ? host : LOOPBACK;
  return { plain, tls: tls === undefined ? undefined : host };
}
