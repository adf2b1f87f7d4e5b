/** The ports over NATS, for `Holdfast.connect`. */
import { connectNats } from "@holdfast/nats";
import { silentLogger } from "@holdfast/telemetry";
import type { ConnectOptions, HoldfastPorts } from "./options.js";

const DEFAULT_URL = "nats://127.0.0.1:4222";

/** The cluster has to be there: clients and workers make none. */
export function connectPorts(options: ConnectOptions): Promise<HoldfastPorts> {
  const url = options.url ?? process.env["HOLDFAST_NATS_URL"] ?? DEFAULT_URL;
  return connectNats({
    servers: url.split(","),
    name: options.name ?? "holdfast-sdk",
    logger: options.logger ?? silentLogger,
    create: false,
  });
}
