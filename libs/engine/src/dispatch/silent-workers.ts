/**
 * What became of a worker that is silent for longer than its lease: dead, or blocked.
 *
 * 1. Its connection tells: where a process dies, the server drops what it listened to, and nobody is there to answer. Where its thread is blocked
 *    or it was stopped, its inbox stands. It need not answer for that.
 * 2. Nothing keeps dead work alive for ever: a blocked worker is lost after `blockedLeaseMs`, and each attempt by its own time-out before that.
 */
import { WorkerInboxSchema } from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import type { Logger } from "@holdfast/telemetry";
import type { EngineLimits } from "../partition/limits.js";
import type { Bus } from "../ports/bus.js";
import { PortError } from "../ports/errors.js";
import type { InFlight, Worker } from "./workers.js";

/** A silent worker is looked for this often, and waited for so long. */
const SEEK_MS = 2_000;
const ANSWER_MS = 1_000;
const NAMED_MAX = 3;
/** Workers that are named where an operator looks. */
const WARNINGS_MAX = 10;

export interface SilentWorkersDeps {
  readonly bus: Bus;
  readonly logger: Logger;
  readonly limits: Pick<EngineLimits, "workerLeaseMs" | "blockedLeaseMs">;
  readonly lose: (worker: Worker, why: string) => void;
}

export class SilentWorkers {
  /** Asks for nothing: a worker passes over it. */
  private readonly knock = encode(WorkerInboxSchema, init(WorkerInboxSchema, {}));

  constructor(private readonly deps: SilentWorkersDeps) {}

  look(worker: Worker, nowMs: number): void {
    const { limits, logger, lose } = this.deps;
    const silentMs = nowMs - worker.lastHeardMs;
    if (silentMs > Math.max(limits.blockedLeaseMs, limits.workerLeaseMs) || worker.inFlight.size === 0) {
      lose(worker, silentText(silentMs));
      return;
    }
    if (!worker.blocked)
      logger.warn(
        "a worker is silent beyond its lease; it keeps its tasks as long as its connection stands",
        {
          worker: worker.id,
          process: worker.process,
          tasks: worker.inFlight.size,
          atMost: `${limits.blockedLeaseMs} ms`,
          has: named(worker),
        },
      );
    worker.blocked = true;
    if (worker.soughtMs !== 0 && nowMs - worker.soughtMs < SEEK_MS) return;
    worker.soughtMs = nowMs;
    void this.seek(worker, silentMs);
  }

  private async seek(worker: Worker, silentMs: number): Promise<void> {
    const { bus, lose } = this.deps;
    try {
      await bus.request(worker.inbox, this.knock, ANSWER_MS);
    } catch (error) {
      // No answer in time is what a blocked one gives; anything else says nothing of the worker.
      const isGone = error instanceof PortError && error.code === "no-responders";
      if (isGone && worker.blocked) lose(worker, `${silentText(silentMs)}, and its connection is gone`);
    }
  }
}

const silentText = (ms: number): string => `it was silent for ${(ms / 1_000).toFixed(1)} s`;

/** One sentence for each worker with tasks of this node that something is the matter with. */
export function workerWarnings(
  workers: Iterable<Worker>,
  node: string,
  nowMs: number,
  blockedLeaseMs: number,
): string[] {
  const warnings: string[] = [];
  let more = 0;
  for (const worker of workers) {
    if (!worker.deaf && !worker.blocked) continue;
    if (warnings.length === WARNINGS_MAX) {
      more += 1;
      continue;
    }
    const who = `worker ${worker.id}${worker.process === "" ? "" : ` (${worker.process})`}`;
    const silentS = Math.round((nowMs - worker.lastHeardMs) / 1_000);
    warnings.push(
      worker.blocked
        ? `${who} has been silent for ${silentS} s, and its connection to NATS stands: its thread is blocked, or its process stopped. It has ${named(worker)}, gets nothing new, and loses what it has after ${Math.round(blockedLeaseMs / 1_000)} s; look at what those handlers do, or restart it`
        : `${who} beats, but does not confirm what ${node} sends it: others get its tasks, and it gets nothing until it confirms; look at what keeps its inbox from being read, or restart it`,
    );
  }
  if (more > 0)
    warnings.push(`${more} more workers of ${node} are blocked, or confirm nothing; its log names them`);
  return warnings;
}

function named({ inFlight }: Worker): string {
  const names: string[] = [];
  for (const flight of inFlight.values()) {
    if (names.length === NAMED_MAX) break;
    names.push(nameOf(flight));
  }
  const others = inFlight.size - names.length;
  return `${names.join(", ")}${others > 0 ? ` and ${others} more tasks` : ""}`;
}

const nameOf = ({ actionName, task: { action, item, runId } }: InFlight): string =>
  `${item >= 0 ? `item ${item} of ` : ""}${actionName === "" ? `action ${action}` : actionName} of run ${runId}`;
