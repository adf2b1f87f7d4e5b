/** The ports over NATS, for `Holdfast.connect`. */
import { connectNats, type NatsSettings, natsSettings } from "@holdfast/nats";
import { Environment, silentLogger } from "@holdfast/telemetry";
import { HoldfastError } from "../errors.js";
import type { ConnectOptions, HoldfastPorts } from "./options.js";

/**
 * The cluster has to be there: clients and workers make none. What the environment says of credentials and TLS is of the server that the
 * environment names: one that is named here is given nothing of it.
 */
export async function connectPorts(options: ConnectOptions): Promise<HoldfastPorts> {
  const settings = options.url === undefined ? settingsOfEnvironment() : undefined;
  return await connectNats({
    servers: options.url?.split(",") ?? settings?.servers ?? [],
    access: options.access ?? settings?.access ?? {},
    waitMs: options.waitMs ?? 0,
    name: options.name ?? "holdfast-sdk",
    logger: options.logger ?? silentLogger,
    create: false,
  });
}

function settingsOfEnvironment(): NatsSettings {
  try {
    return natsSettings(new Environment(process.env));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HoldfastError("INVALID_ARGUMENT", why, "never", {}, { cause });
  }
}
