/**
 * Runs handlers: at most `concurrency` at once, each attempt within its time, and every one of them to its report.
 *
 * 1. Every task that it is given is reported once, whatever its handler does: return, throw, hang or return nonsense.
 * 2. A report that the log does not take is sent until it does; meanwhile its task counts as held, and too many of
 *    them stop new ones from being begun.
 * It never decides whether an attempt is tried again: that is the fold's.
 */
import {
  type Clock,
  type CommandClient,
  type PayloadCodec,
  type PayloadStore,
  type PortError,
  taskReportCommand,
} from "@holdfast/engine";
import { JobStep, type Task, type TaskCancel, type TaskRef, type TaskReport } from "@holdfast/proto";
import type { Logger } from "@holdfast/telemetry";
import type { Handler } from "../workflow/beside.js";
import type { AnyWorkflow } from "../workflow/workflow.js";
import type { ArgumentReader, Arguments } from "./arguments.js";
import type { HeldTask } from "./held-task.js";
import { outcomeOfJob } from "./job-outcome.js";
import type { WorkerLimits } from "./limits.js";
import {
  outcomeOfStopped,
  outcomeOfThrown,
  outcomeOfUnknown,
  outcomeOfValue,
  type Outcome,
  reportOf,
} from "./reports.js";
import { type ReportOwner, ReportReceipt } from "./report-receipt.js";
import { recoveredError } from "./recovered-error.js";
import { type ContextHost, TaskContext } from "./task-context.js";
import { TaskTable } from "./task-table.js";

export interface RunnerDeps {
  readonly workflows: ReadonlyMap<string, AnyWorkflow>;
  readonly concurrency: number;
  readonly limits: WorkerLimits;
  readonly commands: CommandClient;
  readonly payloads: PayloadCodec;
  readonly store: PayloadStore;
  readonly args: ArgumentReader;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Invoke = (args: unknown, context: TaskContext) => unknown;

export class TaskRunner implements ContextHost, ReportOwner {
  readonly logger: Logger;
  readonly commands: CommandClient;
  readonly payloads: PayloadCodec;
  readonly store: PayloadStore;
  readonly clock: Clock;
  readonly #deps: RunnerDeps;
  readonly #table: TaskTable;
  /** Waiting tasks in order; those before `#first` have begun. */
  readonly #waiting: HeldTask[] = [];
  #first = 0;
  readonly #running = new Set<HeldTask>();
  #beginning = false;
  #unreported = 0;
  #reported = 0;
  #earliestMs = Number.POSITIVE_INFINITY;
  #cancelSweep: (() => void) | undefined;
  #onIdle: (() => void) | undefined;

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
    this.logger = deps.logger;
    this.commands = deps.commands;
    this.payloads = deps.payloads;
    this.store = deps.store;
    this.clock = deps.clock;
    this.#table = new TaskTable(deps.limits.maxRemembered);
  }

  /** Waiting, running, and not reported yet. */
  get held(): number {
    return this.#table.size;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Reports in the log, since the start. */
  get reported(): number {
    return this.#reported;
  }

  refs(): TaskRef[] {
    return this.#table.refs(this.#deps.clock.monotonicMs());
  }

  take(tasks: readonly Task[]): void {
    for (const task of tasks) {
      const held = this.#table.take(task);
      if (held !== undefined) this.#waiting.push(held);
    }
    this.#begin();
  }

  /** Stops these attempts, which have a while to end by themselves. */
  cancel({ tasks, reason, graceMs }: TaskCancel): void {
    for (const ref of tasks) {
      const held = this.#table.find(ref);
      if (held === undefined) continue;
      this.#stop(
        held,
        "cancelled",
        reason || "the run was cancelled",
        graceMs || this.#deps.limits.cancelGraceMs,
      );
    }
  }

  /** Stops everything that has not ended, for a worker that can't wait any longer. */
  stopAll(reason: string, graceMs: number): void {
    for (const held of this.#table.values()) this.#stop(held, "shutdown", reason, graceMs);
  }

  /** Resolves true once nothing is held, false after `graceMs`. */
  idle(graceMs: number): Promise<boolean> {
    if (this.#table.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const cancel = this.#deps.clock.after(graceMs, () => resolve(false));
      this.#onIdle = () => {
        cancel();
        resolve(true);
      };
    });
  }

  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  async runInput(held: HeldTask): Promise<unknown> {
    const workflow = this.#deps.workflows.get(held.task.workflow);
    return workflow === undefined ? undefined : this.#deps.args.runInput(held, workflow);
  }

  /** A handler goes in circles: its attempt ends at once, whatever it still does. */
  stuck(held: HeldTask, reason: string): void {
    if (held.phase !== "running" || held.stopping !== undefined) return;
    held.stop("stuck", reason);
    this.#end(held, outcomeOfStopped(held));
  }

  #begin(): void {
    // A handler that ends at once comes back here: the loop that began it goes on.
    if (this.#beginning) return;
    this.#beginning = true;
    const { concurrency, limits } = this.#deps;
    while (this.#running.size < concurrency && this.#unreported < limits.maxUnreported) {
      const held = this.#waiting[this.#first];
      if (held === undefined) break;
      this.#first++;
      // A waiting task that was cancelled has been reported.
      if (held.phase === "waiting") this.#run(held);
    }
    if (this.#first === this.#waiting.length || this.#first >= limits.maxHeld) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
    this.#beginning = false;
  }

  #run(held: HeldTask): void {
    const { task } = held;
    const { workflows, args, clock } = this.#deps;
    held.phase = "running";
    held.startedMs = clock.nowMs();
    this.#running.add(held);
    const workflow = workflows.get(task.workflow);
    const undoes = task.undo?.now === true;
    const handler = workflow === undefined ? undefined : handlerOf(workflow, task);
    if (workflow === undefined || handler === undefined) return this.#end(held, outcomeOfUnknown(held));
    // It tells what could not be done, not what could not be undone or recovered.
    if (!undoes && task.recover === undefined)
      held.failureMessage = workflow.definition.actions[task.action]?.failureMessage ?? "";
    held.beganMs = clock.monotonicMs();
    if (task.startToCloseMs > 0) held.closeByMs = held.beganMs + task.startToCloseMs;
    if (task.heartbeatMs > 0) held.silentByMs = held.beganMs + task.heartbeatMs;
    this.#watch(held);
    try {
      const read = args.read(held, workflow);
      if (!(read instanceof Promise)) return this.#invoke(held, handler, read);
      read.then(
        (ready) => this.#invoke(held, handler, ready),
        (error: unknown) => this.#end(held, outcomeOfThrown(held, error)),
      );
    } catch (error) {
      this.#end(held, outcomeOfThrown(held, error));
    }
  }

  #invoke(held: HeldTask, handler: Handler, args: Arguments): void {
    held.args = args;
    let result: unknown;
    try {
      const { job } = held.task;
      const given = job === undefined || job.step === JobStep.SUBMIT ? args : args["handle"];
      result = (handler as Invoke)(given, new TaskContext(held, this));
    } catch (error) {
      return this.#end(held, outcomeOfThrown(held, error));
    }
    if (!isThenable(result)) return this.#ended(held, result);
    Promise.resolve(result).then(
      (value) => this.#ended(held, value),
      (error: unknown) => this.#end(held, outcomeOfThrown(held, error)),
    );
  }

  #ended(held: HeldTask, value: unknown): void {
    if (held.phase !== "running") return this.#late(held);
    const { job } = held.task;
    const outcome =
      job === undefined
        ? outcomeOfValue(held, value, this.#deps.payloads)
        : outcomeOfJob(held, job, value, this).catch((error: unknown) => outcomeOfThrown(held, error));
    if (outcome instanceof Promise) void outcome.then((settled) => this.#end(held, settled));
    else this.#end(held, outcome);
  }

  #end(held: HeldTask, outcome: Outcome): void {
    if (held.phase === "reporting") return this.#late(held);
    held.phase = "reporting";
    this.#running.delete(held);
    if (outcome.case === "failure") this.#logFailure(held, outcome.value.message);
    this.#unreported++;
    this.#send(held, reportOf(held, outcome, this.#deps.clock.nowMs()));
    this.#begin();
  }

  #send(held: HeldTask, report: TaskReport): void {
    this.#deps.commands.deliver(
      held.task.partition,
      taskReportCommand(report),
      new ReportReceipt(this, held, report),
    );
  }

  onReported(held: HeldTask): void {
    this.#unreported--;
    this.#reported++;
    this.#table.letGo(held);
    if (this.#table.size === 0) this.#onIdle?.();
    this.#begin();
  }

  /** The log takes reports for as long as it takes anything; what it refuses for good is tried again, and said loudly. */
  onUnreported(held: HeldTask, report: TaskReport, error: PortError): void {
    if (error.code === "closed") return;
    if (error.code === "too-large" || error.code === "schema") {
      return this.#send(held, reportOf(held, outcomeOfThrown(held, error), this.#deps.clock.nowMs()));
    }
    const { clock, limits, logger } = this.#deps;
    const { runId, actionName, item, attempt } = held.task;
    logger.error("a report can't be stored; it is tried again", {
      run: runId,
      action: actionName,
      item,
      attempt,
      err: error,
    });
    clock.after(limits.reportAgainMs, () => this.#send(held, report));
  }

  #stop(held: HeldTask, why: "cancelled" | "shutdown", reason: string, graceMs: number): void {
    if (held.phase === "reporting") return;
    held.stop(why, reason);
    if (held.phase === "waiting") {
      held.startedMs = this.#deps.clock.nowMs();
      this.#end(held, outcomeOfStopped(held));
    } else {
      held.closeByMs = this.#deps.clock.monotonicMs() + graceMs;
      held.silentByMs = Number.POSITIVE_INFINITY;
      this.#watch(held);
    }
  }

  /** Its handler goes on. */
  heartbeat(held: HeldTask, progress: unknown): void {
    held.goesOn(progress, this.#deps.clock.monotonicMs());
  }

  #watch(held: HeldTask): void {
    if (held.deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#earliestMs = Math.min(this.#earliestMs, held.deadlineMs);
    this.#cancelSweep ??= this.#deps.clock.after(this.#deps.limits.sweepMs, () => this.#sweep());
  }

  #sweep(): void {
    this.#cancelSweep = undefined;
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs >= this.#earliestMs) {
      this.#earliestMs = Number.POSITIVE_INFINITY;
      for (const held of this.#running) {
        if (held.deadlineMs <= nowMs) this.#giveUp(held);
        else this.#earliestMs = Math.min(this.#earliestMs, held.deadlineMs);
      }
    }
    if (this.#running.size > 0) {
      this.#cancelSweep ??= this.#deps.clock.after(this.#deps.limits.sweepMs, () => this.#sweep());
    }
  }

  /** Its time is over. The handler is told, but nobody waits for it any more. */
  #giveUp(held: HeldTask): void {
    const { startToCloseMs, heartbeatMs, actionName } = held.task;
    const silent = held.silentByMs < held.closeByMs;
    const why = silent
      ? `said nothing for ${heartbeatMs} ms (heartbeat)`
      : `took longer than its ${startToCloseMs} ms (startToClose)`;
    const last = held.progress === "" ? "" : `; its last progress: ${held.progress}`;
    held.stop("timeout", `the handler of action "${actionName}" ${why}${last}`);
    this.#end(held, outcomeOfStopped(held));
  }

  #late({ task, stopping }: HeldTask): void {
    // It was told so by what it called, and ends with that.
    if (stopping === "stuck") return;
    const { runId, actionName, item, attempt } = task;
    this.logger.warn("a handler ended after its attempt was given up; what it did is not counted", {
      run: runId,
      action: actionName,
      item,
      attempt,
    });
  }

  #logFailure({ task }: HeldTask, message: string): void {
    if (!this.logger.isEnabled("debug")) return;
    const { runId, actionName, item, attempt } = task;
    this.logger.debug("an attempt failed", { run: runId, action: actionName, item, attempt, message });
  }
}

/** The function that a task is for; undefined: this worker has none. */
function handlerOf(workflow: AnyWorkflow, { actionName, undo, recover, job }: Task): Handler | undefined {
  if (undo?.now === true) return workflow.undoHandlers.get(actionName);
  if (recover !== undefined) {
    const handler = workflow.recoverHandlers.get(actionName);
    return handler && ((args, context) => handler(args, recoveredError(recover) as never, context));
  }
  const jobs = job === undefined ? undefined : workflow.jobHandlers.get(actionName);
  if (job?.step === JobStep.CHECK) return jobs && ((handle, context) => jobs.check(handle, context));
  if (job?.step === JobStep.CANCEL)
    return jobs?.cancel && ((handle, context) => jobs.cancel?.(handle, context));
  return workflow.handlers.get(actionName);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
