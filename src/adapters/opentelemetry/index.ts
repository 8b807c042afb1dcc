/**
 * OpenTelemetry as the `Tracing` port: a span for each request, each step of the pipeline and each database trip.
 *
 * Takes the API that the host application has installed (`@opentelemetry/api`) as an argument, so that Ringwall needs no
 * package of it and both speak to the same provider. Guards: names of spans are constants, facts are codes, patterns and
 * statement names; no address, no id of a person, no value of a statement and no message of an error is among them.
 * Does not guard what the provider's own exporters and other instrumentation send.
 *
 * Without a provider the API gives spans that do nothing; without this adapter nothing is called at all.
 *
 * @example createRingwall(config, { ...parts, tracing: openTelemetry(await import("@opentelemetry/api")) })
 *
 * @module
 */
export { type OpenTelemetryApi, openTelemetry } from "./open-telemetry.ts";
export { tracedDatabase } from "./traced-database.ts";
export { tracedGuard } from "./traced-guard.ts";
