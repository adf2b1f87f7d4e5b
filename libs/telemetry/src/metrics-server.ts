/**
 * Serves `/metrics`, `/livez`, `/readyz` and `/healthz` over HTTP, for scrapers and process supervisors.
 *
 * `/livez`: the process answers; whoever gets no answer may end it. `/readyz`: it does its work now. `/healthz`: and nothing is the
 * matter that a person should see to.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { MetricsRegistry } from "./metrics.js";

export interface Health {
  ok: boolean;
  /** What a person should know, by part. */
  details?: Readonly<Record<string, unknown>>;
}

export interface MetricsServerOptions {
  registry: MetricsRegistry;
  /** Not ok, a throw, or no answer within HEALTH_MS_MAX: 503. */
  health: () => Health | Promise<Health>;
  /** The same of `/readyz`. Default: what `health` says. */
  ready?: () => Health | Promise<Health>;
  /** Default 0: a free one. */
  port?: number;
  /** Default: loopback only. */
  host?: string;
}

export interface MetricsServer {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

const HEALTH_MS_MAX = 5_000;

async function checkHealth(health: MetricsServerOptions["health"]): Promise<Health> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<Health>((resolve) => {
    timer = setTimeout(
      () => resolve({ ok: false, details: { health: `no answer within ${HEALTH_MS_MAX} ms` } }),
      HEALTH_MS_MAX,
    );
  });
  try {
    return await Promise.race([Promise.resolve().then(health), tooLate]);
  } catch (error) {
    return { ok: false, details: { health: error instanceof Error ? error.message : String(error) } };
  } finally {
    clearTimeout(timer);
  }
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

async function handle(options: MetricsServerOptions, request: IncomingMessage, response: ServerResponse) {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return answer(response, 405, "text/plain", "only GET and HEAD\n");
  }
  const path = (request.url ?? "/").split("?")[0];
  if (path === "/metrics") {
    return answer(response, 200, "text/plain; version=0.0.4; charset=utf-8", options.registry.render());
  }
  if (path === "/livez") return answer(response, 200, "application/json", '{"ok":true}\n');
  if (path === "/healthz" || path === "/readyz") {
    const wanted = path === "/readyz" ? options.ready : undefined;
    const health = await checkHealth(wanted ?? options.health);
    return answer(response, health.ok ? 200 : 503, "application/json", `${JSON.stringify(health)}\n`);
  }
  return answer(response, 404, "text/plain", "try /metrics, /livez, /readyz or /healthz\n");
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const advice =
        cause.code === "EADDRINUSE" ? "is in use: choose another (0 picks a free one)" : cause.code;
      reject(new Error(`The metrics port ${host}:${port} ${advice}.`, { cause }));
    });
    server.listen(port, host, resolve);
  });
}

/** Resolves when it listens. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const host = options.host ?? "127.0.0.1";
  const server = createServer((request, response) => {
    handle(options, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else answer(response, 500, "text/plain", `${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
  await listen(server, host, options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  const shownHost = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${shownHost}:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
