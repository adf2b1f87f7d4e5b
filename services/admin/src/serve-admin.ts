/**
 * The admin service on the network: gRPC with its log lines and metrics. Composition roots give the parts.
 */
import type { Logger, MetricsRegistry } from "@holdfast/telemetry";
import { type CallRecord, type RpcServer, type RpcServerOptions, startServer } from "@holdfast/rpc";
import { createAdminService } from "./create-admin-service.js";
import { translate } from "./errors.js";
import type { AdminParts } from "./parts.js";

export const ADMIN_ADDRESS_DEFAULT = "127.0.0.1:7460";

export interface ServeAdminOptions extends Pick<RpcServerOptions, "address" | "tls" | "limits"> {
  readonly parts: AdminParts;
  readonly logger: Logger;
  readonly metrics?: MetricsRegistry;
}

/** Resolves when it listens. Closing it ends calls in an orderly way and leaves the parts to their owner. */
export async function serveAdmin(options: ServeAdminOptions): Promise<RpcServer> {
  const { parts, logger, metrics, ...network } = options;
  const admin = createAdminService(parts, logger);
  const observe = observer(logger, metrics);
  try {
    const server = await startServer({
      address: ADMIN_ADDRESS_DEFAULT,
      ...network,
      services: [admin.service],
      translate,
      observe,
    });
    logger.info("the admin service listens", { address: server.address, tls: network.tls !== undefined });
    return {
      address: server.address,
      health: server.health,
      async close() {
        await server.close();
        admin.close();
      },
    };
  } catch (error) {
    admin.close();
    throw error;
  }
}

function observer(logger: Logger, metrics: MetricsRegistry | undefined) {
  const calls = metrics?.counter({
    name: "holdfast_admin_calls_total",
    help: "Admin calls that ended, by method and gRPC status code; look at codes other than OK",
    labels: ["method", "code"],
  });
  const time = metrics?.counter({
    name: "holdfast_admin_call_seconds_total",
    help: "Time that admin calls took, by method; divided by calls: how long one takes",
    labels: ["method"],
  });
  return (call: CallRecord): void => {
    const method = call.method.slice(call.method.lastIndexOf("/") + 1);
    calls?.labels(method, call.code).inc();
    time?.labels(method).inc(call.durationMs / 1_000);
    const fields = {
      method,
      code: call.code,
      durationMs: Math.round(call.durationMs * 10) / 10,
      who: call.who,
      requestId: call.requestId,
      peer: call.peer,
      ...(call.message === "" ? {} : { why: call.message }),
    };
    if (call.bug === undefined) logger.info("an admin call ended", fields);
    else logger.error("an admin call met a bug", { ...fields, err: call.bug });
  };
}
