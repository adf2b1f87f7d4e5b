/**
 * gRPC's standard health service: Check, Watch and List over a map of service names.
 *
 * Of its own rather than the `grpc-health-check` package, whose watchers write without flow control and never end, so
 * that an orderly shut-down would wait for them.
 */
import { HealthCheckResponse_ServingStatus as Status } from "@holdfast/proto/grpc";
import type { Health as HealthDesc } from "@holdfast/proto/grpc";
import { RpcError } from "./errors.js";
import type { ServiceHandlers } from "./method-types.js";

export type ServingStatus = "SERVING" | "NOT_SERVING";

/** The server as a whole, in the standard's words. */
const WHOLE = "";

export class Health {
  readonly handlers: ServiceHandlers<typeof HealthDesc>;
  readonly #statuses = new Map<string, Status>();
  readonly #wakeups = new Set<() => void>();
  #closed = false;

  /** Knows these services and the server as a whole; all NOT_SERVING at first. */
  constructor(services: readonly string[]) {
    for (const name of [WHOLE, ...services]) this.#statuses.set(name, Status.NOT_SERVING);
    this.handlers = {
      check: async ({ service }) => ({ status: this.#known(service) }),
      list: async () => ({
        statuses: Object.fromEntries([...this.#statuses].map(([name, status]) => [name, { status }])),
      }),
      watch: ({ service }, { signal }) => this.#watch(service, signal),
    };
  }

  /** Sets every service and the whole. */
  setAll(status: ServingStatus): void {
    for (const name of this.#statuses.keys()) this.#statuses.set(name, Status[status]);
    for (const wake of this.#wakeups) wake();
  }

  /** Ends every watch, after it was told the last status. */
  close(): void {
    this.#closed = true;
    for (const wake of this.#wakeups) wake();
  }

  #known(service: string): Status {
    const status = this.#statuses.get(service);
    if (status !== undefined) return status;
    throw new RpcError(
      "NOT_FOUND",
      `No service ${JSON.stringify(service)} is served here; "" asks for the server as a whole.`,
    );
  }

  /** A slow reader misses statuses in between, never the last one. */
  async *#watch(service: string, signal: AbortSignal) {
    let told: Status | undefined;
    while (!signal.aborted) {
      const status = this.#statuses.get(service) ?? Status.SERVICE_UNKNOWN;
      if (status !== told) {
        told = status;
        yield { status };
        continue;
      }
      if (this.#closed) return;
      await this.#changed(signal);
    }
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wakeups.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wakeups.add(wake);
      signal.addEventListener("abort", wake);
    });
  }
}
