/**
 * The end of a worker, in three phases: publish → clean up → persist. Each runs whatever befell the one before, and none of them throws.
 */
import type { CommandClient } from "@holdfast/engine";
import type { Logger } from "@holdfast/telemetry";
import type { Presence } from "./presence.js";
import type { TaskRunner } from "./task-runner.js";

export interface WorkerEnd {
  /** Tasks whose report is not in the log: another worker will run them again. */
  readonly unreported: number;
  /** What went wrong on the way, a sentence each. */
  readonly problems: readonly string[];
}

export interface EndingDeps {
  readonly presence: Presence;
  readonly runner: TaskRunner;
  readonly commands: CommandClient;
  readonly logger: Logger;
  /** For handlers to end by themselves. */
  readonly timeoutMs: number;
  unsubscribe(): void;
}

/** For handlers to end after they were told to stop, and for the last reports. */
const ABORT_GRACE_MS = 1_000;
const REPORT_GRACE_MS = 5_000;

export async function endWorker(deps: EndingDeps): Promise<WorkerEnd> {
  const { presence, runner, commands, logger } = deps;
  const problems: string[] = [];
  const phase = async (name: string, steps: readonly (() => unknown)[]): Promise<void> => {
    for (const step of steps) {
      try {
        await step();
      } catch (err) {
        problems.push(`${name}: ${err instanceof Error ? err.message : String(err)}`);
        logger.error("a phase of the worker's end failed; the next goes on", { phase: name, err });
      }
    }
  };
  await phase("publish", [() => presence.drain(), () => finishTasks(deps), () => presence.gone()]);
  const unreported = runner.held;
  await phase("clean up", [
    () => presence.close(),
    () => deps.unsubscribe(),
    () => runner.close(),
    () => commands.close(REPORT_GRACE_MS),
  ]);
  if (unreported > 0) problems.push(`${unreported} tasks were not reported; they will run again elsewhere`);
  // Logs are written as they are made; what is left to persist is the worker's own last line.
  await phase("persist", [() => logger.info("worker stopped", { unreported, problems })]);
  return { unreported, problems };
}

async function finishTasks({ runner, timeoutMs, logger }: EndingDeps): Promise<void> {
  if (await runner.idle(timeoutMs)) return;
  logger.warn("handlers did not end in time; they are told to stop", { running: runner.running });
  runner.stopAll("the worker shuts down", ABORT_GRACE_MS);
  await runner.idle(ABORT_GRACE_MS + REPORT_GRACE_MS);
}
