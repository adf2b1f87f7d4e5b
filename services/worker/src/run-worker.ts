/** A worker as a process of its own: hosts the workflows of the modules it is given. */
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import {
  type AnyWorkflow,
  createWorker,
  Holdfast,
  isWorkflow,
  natsSettings,
  type WorkerEnd,
} from "@holdfast/sdk";
import { createLogger, type Environment } from "@holdfast/telemetry";

const CONCURRENCY_DEFAULT = 64;
const CONCURRENCY_MAX = 100_000;

export interface WorkerProcess {
  readonly workerId: string;
  readonly workflows: readonly string[];
  /** Handlers at work now. */
  readonly running: number;
  /** Finishes what it runs, and ends; says what came of it. Idempotent. */
  close(): Promise<WorkerEnd>;
}

/** The workflows that a module exports, under whatever name, or in an exported list. Throws where there are none. */
export async function workflowsOf(path: string): Promise<AnyWorkflow[]> {
  const exported = (await import(pathToFileURL(resolve(path)).href)) as Record<string, unknown>;
  const found = Object.values(exported)
    .flatMap((value): readonly unknown[] => (Array.isArray(value) ? value : [value]))
    .filter(isWorkflow);
  if (found.length === 0) {
    throw new Error(`${path} exports no workflow: export what workflow("name") made, under any name`);
  }
  return [...new Set(found)];
}

/** How NATS is reached (`natsSettings`), `HOLDFAST_CONCURRENCY` (handlers at once, default 64), `HOLDFAST_QUEUES`, `HOLDFAST_LOG_LEVEL`. */
export async function runWorker(env: Environment, modules: readonly string[]): Promise<WorkerProcess> {
  if (modules.length === 0) throw new Error("name at least one module that exports workflows");
  // One module may hand on what another has made.
  const workflows = [...new Set((await Promise.all(modules.map(workflowsOf))).flat())];
  const logger = createLogger({ name: "worker", level: env.logLevel() });
  const queues = env.text("HOLDFAST_QUEUES") === undefined ? undefined : env.list("HOLDFAST_QUEUES", "");
  const { servers, access, waitMs } = natsSettings(env);
  const connection = await Holdfast.connect({
    url: servers.join(","),
    access,
    waitMs,
    name: "holdfast-worker",
    logger,
  });
  try {
    const worker = await createWorker({
      connection,
      workflows,
      concurrency: env.count("HOLDFAST_CONCURRENCY", CONCURRENCY_DEFAULT, CONCURRENCY_MAX),
      ...(queues === undefined ? {} : { queues }),
    });
    let closing: Promise<WorkerEnd> | undefined;
    const close = async (): Promise<WorkerEnd> => {
      const end = await worker.stop();
      await connection.close();
      return end;
    };
    return {
      workerId: worker.id,
      workflows: workflows.map((workflow) => workflow.name),
      get running() {
        return worker.stats.running;
      },
      close: () => (closing ??= close()),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}
