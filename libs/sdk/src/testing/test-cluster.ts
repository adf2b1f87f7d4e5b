/**
 * A whole Holdfast in this process and in memory, for tests of workflows: the real engine, without a server and without a disk.
 * Nothing of it outlives the process, and it says nothing about speed or durability.
 *
 * Time skips: while a test waits for the end of a run, or for a bulk operation, and nothing is under way, the clock leaps to the next timer.
 */
import { isRunCompleted, isRunTerminal } from "@holdfast/core";
import { type Clock, Node, soleOwner, systemClock } from "@holdfast/engine";
import {
  MemoryCommandLog,
  MemoryDefinitions,
  MemoryNetwork,
  MemoryPayloads,
  MemoryStateStore,
  SkippingClock,
} from "@holdfast/engine/memory";
import { ActionStatus, RunStatus, type RunView, UndoStatus } from "@holdfast/proto";
import { SchemaValidator } from "@holdfast/schema";
import { createRegistry, type Logger, silentLogger } from "@holdfast/telemetry";
import { Holdfast } from "../client/holdfast.js";
import type { HoldfastPorts, StartOptions } from "../client/options.js";
import { type Duration, durationMs } from "../duration.js";
import { handedOut } from "../handed-out.js";
import { freshId } from "../ids.js";
import { checkNames, namesOf } from "../known-options.js";
import type { AnyWorkflow, WorkflowInput, WorkflowOutput } from "../workflow/workflow.js";
import { neverEnds } from "./never-ends.js";
import { TimeSkipper } from "./time.js";

export interface TestClusterOptions {
  /** Default 4. */
  readonly partitions?: number;
  /** Default: silent. */
  readonly logger?: Logger;
  /** `skip` (default): time leaps while a run's end is waited for and nothing is under way. `real`: it goes at its pace. */
  readonly time?: "skip" | "real";
  /**
   * How long, in real time, handlers may be at work without anything new before `run` and `advance` reject and name them, where time
   * skips. Default 4 s: less than most test runners wait.
   */
  readonly handlerLimit?: Duration;
}

/** What became of a run. */
export interface TestRun<Output> {
  readonly runId: string;
  /** Such as `COMPLETED_WITH_FAILURES`. */
  readonly status: string;
  /** Of a run that completed, wholly or in part, and has one last action. */
  readonly output: Output | undefined;
  readonly detail: string;
  /** As the admin service shows it, with input, outputs and history. */
  readonly view: RunView;
}

const PARTITIONS_DEFAULT = 4;
const HANDLER_LIMIT = "4s";
/** Nobody answers a roll call in a cluster that has just begun. */
const ROLL_CALL_MS = 1;
const NS_PER_MS = 1_000_000;

export interface TestCluster {
  /** A client; workers take it as their connection. */
  readonly holdfast: Holdfast;
  /** Another client of the same cluster, as another process would have. */
  client(): Holdfast;
  /** Starts a run and waits for its end, whatever that is. Rejects where it can never end, saying what each open action waits for. */
  run<W extends AnyWorkflow>(
    workflow: W,
    input: WorkflowInput<W>,
    options?: StartOptions,
  ): Promise<TestRun<WorkflowOutput<W>>>;
  /** Lets time pass, stopping at each timer on the way until what it sets off is done. With real time, waits. */
  advance(by: Duration): Promise<void>;
  /** The cluster's time. */
  now(): Date;
  /** Stops the node and starts another on the same log and state; `loseState`: on the log alone. */
  restartNode(options?: { readonly loseState?: boolean }): Promise<void>;
  /** Stop workers first. */
  close(): Promise<void>;
}

export const startTestCluster = (options: TestClusterOptions = {}): Promise<TestCluster> =>
  handedOut(begunCluster(options));

const OPTIONS = namesOf<TestClusterOptions>({ partitions: 1, logger: 1, time: 1, handlerLimit: 1 });
const RESTART = namesOf<{ loseState?: boolean }>({ loseState: 1 });

async function begunCluster(options: TestClusterOptions): Promise<TestCluster> {
  checkNames(options, OPTIONS, "the options of startTestCluster");
  const logger = options.logger ?? silentLogger;
  const skipping = options.time === "real" ? undefined : new SkippingClock();
  const clock: Clock = skipping ?? systemClock;
  const log = new MemoryCommandLog({
    partitions: options.partitions ?? PARTITIONS_DEFAULT,
    nowNs: () => BigInt(Math.floor(clock.nowMs() * NS_PER_MS)),
  });
  const network = new MemoryNetwork({ clock });
  let store = new MemoryStateStore();
  const definitions = new MemoryDefinitions();
  const payloads = new MemoryPayloads();
  const inputs = new SchemaValidator();
  const startNode = async (): Promise<Node> => {
    const node = new Node({
      node: freshId("node"),
      log,
      store,
      bus: network.bus(),
      payloads,
      inputs,
      ownership: soleOwner,
      logger,
      registry: createRegistry(),
      clock,
      limits: { rollCallMs: ROLL_CALL_MS },
    });
    await node.start();
    return node;
  };
  const clients: Holdfast[] = [];
  const client = (): Holdfast => {
    const ports: HoldfastPorts = {
      log,
      bus: network.bus(),
      definitions,
      payloads,
      close: () => Promise.resolve(),
    };
    const made = Holdfast.over(ports, { logger, clock });
    clients.push(made);
    return made;
  };
  let node: Node | undefined = await startNode();
  const awaited = (): number => clients.reduce((sum, one) => sum + one.awaitedEnds, 0);
  const waitsBegun = (): number => clients.reduce((sum, one) => sum + one.waitsBegun, 0);
  const askNow = async (): Promise<void> => {
    await Promise.all(clients.map((one) => one.askNow()));
  };
  const holdfast = client();
  const handlerLimitMs = durationMs(options.handlerLimit ?? HANDLER_LIMIT, "handlerLimit");
  const heldUp = (): Promise<Error> => heldUpError(holdfast, handlerLimitMs);
  const skipper =
    skipping === undefined
      ? undefined
      : new TimeSkipper({
          clock: skipping,
          node: () => node,
          awaited,
          waitsBegun,
          askNow,
          handlerLimitMs,
          heldUp,
        });
  const cluster: TestCluster = {
    holdfast,
    client,
    async run(workflow, input, startOptions) {
      const handle = await holdfast.start(workflow, input, startOptions);
      const watch = { over: false };
      const ended = await Promise.race([
        handle.ended(),
        neverEnds({ holdfast, runId: handle.runId, node: () => node, skipper, watch }),
      ]).finally(() => {
        watch.over = true;
      });
      const view = await holdfast.queries.getRun(handle.runId, { full: true });
      const completed = isRunCompleted(ended.status);
      return {
        runId: handle.runId,
        status: RunStatus[ended.status] ?? "UNKNOWN",
        output: completed ? await handle.result() : undefined,
        detail: ended.detail,
        view,
      };
    },
    async advance(by) {
      const ms = durationMs(by, "the time to pass");
      if (skipper !== undefined) await skipper.advance(ms);
      else await new Promise<void>((resolve) => setTimeout(resolve, ms));
    },
    now: () => new Date(clock.nowMs()),
    async restartNode(how = {}) {
      checkNames(how, RESTART, "the options of restartNode");
      const { loseState = false } = how;
      const old = node;
      node = undefined;
      await old?.stop();
      if (loseState) store = new MemoryStateStore();
      node = await startNode();
    },
    async close() {
      skipper?.close();
      await Promise.all(clients.map((one) => one.close()));
      await node?.stop();
      skipping?.close();
    },
  };
  return {
    ...cluster,
    run: (...given) => handedOut(cluster.run(...given)),
    advance: (by) => handedOut(cluster.advance(by)),
    restartNode: (how) => handedOut(cluster.restartNode(how)),
    close: () => handedOut(cluster.close()),
  };
}

/** Says which actions workers are at, of all runs. */
async function heldUpError(holdfast: Holdfast, limitMs: number): Promise<Error> {
  const { runs } = await holdfast.list();
  const lines: string[] = [];
  for (const { runId, status } of runs) {
    if (isRunTerminal(status)) continue;
    const { actions } = await holdfast.get(runId);
    for (const { name, status: at, attempt, items, undo, note } of actions) {
      // No worker has it: nobody is at work on it.
      if (note !== "") continue;
      const undoing = undo?.status === UndoStatus.RUNNING ? ", its undo" : "";
      if (at !== ActionStatus.RUNNING && undoing === "") continue;
      const many = items === undefined ? "" : `, ${items.running} of its ${items.total} items`;
      lines.push(`  run ${runId}, action ${name}${many || `, attempt ${attempt}`}${undoing}`);
    }
  }
  return new Error(
    `nothing has happened for ${limitMs} ms, in real time: handlers are at work, and time does not skip meanwhile. Does one wait for what never comes? Let a handler that takes longer have a higher handlerLimit. At work are:\n${lines.join("\n")}`,
  );
}
