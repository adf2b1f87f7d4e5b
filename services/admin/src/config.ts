/** The admin process's settings, from its environment. One place, so that a wrong one is named before anything starts. */
import type { TlsFiles } from "@holdfast/rpc";
import { type NatsSettings, natsSettings } from "@holdfast/nats";
import { Environment, type LogLevel } from "@holdfast/telemetry";
import { ADMIN_ADDRESS_DEFAULT } from "./serve-admin.js";

export interface AdminConfig {
  readonly nats: NatsSettings;
  readonly address: string;
  readonly tls: TlsFiles | undefined;
  /** 0: a free one. */
  readonly metricsPort: number;
  readonly metricsHost: string;
  readonly logLevel: LogLevel;
}

const LOG_LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];
const METRICS_HOST_DEFAULT = "127.0.0.1";
const PORT_MAX = 65_535;

/** Throws an error that names the variable, what it is and what it may be. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): AdminConfig {
  const given = (name: string): string | undefined => env[name]?.trim() || undefined;
  const logLevel = LOG_LEVELS.find((level) => level === (given("HOLDFAST_LOG_LEVEL") ?? "info"));
  if (logLevel === undefined) {
    throw new Error(
      `HOLDFAST_LOG_LEVEL is ${given("HOLDFAST_LOG_LEVEL")}; use one of ${LOG_LEVELS.join(", ")}`,
    );
  }
  return {
    nats: natsSettings(new Environment(env)),
    address: addressOf(given("HOLDFAST_ADMIN_ADDRESS") ?? ADMIN_ADDRESS_DEFAULT),
    tls: tlsOf(given),
    metricsPort: portOf("HOLDFAST_METRICS_PORT", given("HOLDFAST_METRICS_PORT") ?? "0"),
    metricsHost: given("HOLDFAST_METRICS_HOST") ?? METRICS_HOST_DEFAULT,
    logLevel,
  };
}

function addressOf(address: string): string {
  const colon = address.lastIndexOf(":");
  if (colon < 1)
    throw new Error(`HOLDFAST_ADMIN_ADDRESS is ${address}; use host:port, such as ${ADMIN_ADDRESS_DEFAULT}`);
  portOf("HOLDFAST_ADMIN_ADDRESS", address.slice(colon + 1));
  return address;
}

function portOf(name: string, text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= PORT_MAX) return port;
  throw new Error(`${name} has the port ${JSON.stringify(text)}; use 0 to ${PORT_MAX}, 0 for a free one`);
}

function tlsOf(given: (name: string) => string | undefined): TlsFiles | undefined {
  const cert = given("HOLDFAST_ADMIN_TLS_CERT");
  const key = given("HOLDFAST_ADMIN_TLS_KEY");
  const clientCa = given("HOLDFAST_ADMIN_TLS_CLIENT_CA");
  if (cert === undefined && key === undefined && clientCa === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new Error(
      "TLS needs both HOLDFAST_ADMIN_TLS_CERT and HOLDFAST_ADMIN_TLS_KEY, each the path of a PEM file",
    );
  }
  return { cert, key, ...(clientCa === undefined ? {} : { clientCa }) };
}
