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
import {
  type Failure,
  JobStep,
  type Task,
  type TaskCancel,
  type TaskRef,
  type TaskReport,
} from "@holdfast/proto";
import type { Logger } from "@holdfast/telemetry";
import type { Handler } from "../workflow/beside.js";
import type { Classify } from "../workflow/options.js";
import type { AnyWorkflow } from "../workflow/workflow.js";
import type { ArgumentReader, Arguments } from "./arguments.js";
import { type Classifiers, classifiersOf } from "./failures.js";
import { handlerOf, isThenable } from "./handler-of.js";
import { Deadlines } from "./deadlines.js";
import type { HeldTask } from "./held-task.js";
import { outcomeOfJob } from "./job-outcome.js";
import type { WorkerLimits } from "./limits.js";
import { patiently } from "./patience.js";
import {
  givenBack,
  outcomeOfStopped,
  outcomeOfThrown,
  outcomeOfUnknown,
  outcomeOfValue,
  type Outcome,
  reportOf,
} from "./reports.js";
import { type ReportOwner, ReportReceipt } from "./report-receipt.js";
import { type ContextHost, TaskContext } from "./task-context.js";
import { shownOf } from "./shown.js";
import { tellFailure, tellGivenBack, tellLate, tellOpenSteps } from "./telling.js";
import { TaskTable } from "./task-table.js";

export interface RunnerDeps {
  readonly workflows: ReadonlyMap<string, AnyWorkflow>;
  readonly concurrency: number;
  readonly limits: WorkerLimits;
  readonly commands: CommandClient;
  readonly payloads: PayloadCodec;
  readonly store: PayloadStore;
  readonly args: ArgumentReader;
  /** The worker's own. */
  readonly classify: Classify | undefined;
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
  readonly #byWorkflow: ReadonlyMap<string, Classifiers>;
  readonly #byDefault: Classifiers;
  /** Waiting tasks in order; those before `#first` have begun. */
  readonly #waiting: HeldTask[] = [];
  #first = 0;
  readonly #running = new Set<HeldTask>();
  #beginning = false;
  #unreported = 0;
  #reported = 0;
  readonly #deadlines: Deadlines;
  #onIdle: (() => void) | undefined;

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
    this.logger = deps.logger;
    this.commands = deps.commands;
    this.payloads = deps.payloads;
    this.store = deps.store;
    this.clock = deps.clock;
    this.#table = new TaskTable(deps.limits.maxRemembered);
    this.#deadlines = new Deadlines({
      clock: deps.clock,
      logger: deps.logger,
      sweepMs: deps.limits.sweepMs,
      running: this.#running,
      giveUp: (held) => this.#giveUp(held),
    });
    const { workflows, classify, logger } = deps;
    this.#byDefault = classifiersOf([classify], logger);
    this.#byWorkflow = new Map(
      Array.from(workflows.values(), (one) => [one.name, classifiersOf([one.classify, classify], logger)]),
    );
  }

  /** Waiting, running, and not reported yet. */
  get held(): number {
    return this.#table.size;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Whose handlers run. */
  atWork(): Iterable<HeldTask> {
    return this.#running;
  }

  /** Reports in the log, since the start. */
  get reported(): number {
    return this.#reported;
  }

  refs(): TaskRef[] {
    return this.#table.refs(this.#deps.clock.monotonicMs());
  }

  take(tasks: readonly Task[]): void {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const task of tasks) {
      const held = this.#table.take(task, nowMs);
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
    this.#deadlines.close();
  }

  async runInput(held: HeldTask): Promise<unknown> {
    const workflow = this.#deps.workflows.get(held.task.workflow);
    if (workflow === undefined) return undefined;
    return await patiently(held, this, "the run's input", () => this.#deps.args.runInput(held, workflow));
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
    this.#deadlines.watch(held);
    try {
      let read: Arguments | Promise<Arguments> | undefined = args.read(held, workflow);
      if (!(read instanceof Promise)) return this.#invoke(held, handler, read);
      const again = (): Arguments | Promise<Arguments> => {
        const made = read ?? args.read(held, workflow);
        read = undefined;
        return made;
      };
      patiently(held, this, "what its handler is given", again).then(
        (ready) => this.#invoke(held, handler, ready),
        (error: unknown) => this.#end(held, this.#thrown(held, error)),
      );
    } catch (error) {
      this.#end(held, this.#thrown(held, error));
    }
  }

  #invoke(held: HeldTask, handler: Handler, args: Arguments): void {
    // Its time was over before it had what it needs.
    if (held.phase !== "running") return;
    held.args = args;
    let result: unknown;
    let waits: boolean;
    try {
      const { job } = held.task;
      const given = job === undefined || job.step === JobStep.SUBMIT ? args : args["handle"];
      result = (handler as Invoke)(given, new TaskContext(held, this));
      waits = isThenable(result);
    } catch (error) {
      return this.#end(held, this.#thrown(held, error));
    }
    if (!waits) return this.#ended(held, result);
    Promise.resolve(result).then(
      (value) => this.#ended(held, value),
      (error: unknown) => this.#end(held, this.#thrown(held, error)),
    );
  }

  #ended(held: HeldTask, value: unknown): void {
    if (held.phase !== "running") return tellLate(this.logger, held);
    if (held.steps !== undefined && held.steps.open.size > 0) tellOpenSteps(this.logger, held, held.steps);
    const { job } = held.task;
    const outcome =
      job === undefined
        ? outcomeOfValue(held, value, this, this.#classifiers(held))
        : outcomeOfJob(held, job, value, this, this.#classifiers(held)).catch((error: unknown) =>
            this.#thrown(held, error),
          );
    if (outcome instanceof Promise) void outcome.then((settled) => this.#end(held, settled));
    else this.#end(held, outcome);
  }

  #thrown(held: HeldTask, error: unknown): Outcome {
    return outcomeOfThrown(held, error, this.#classifiers(held));
  }

  #classifiers({ task }: HeldTask): Classifiers {
    return this.#byWorkflow.get(task.workflow) ?? this.#byDefault;
  }

  #end(held: HeldTask, outcome: Outcome): void {
    if (held.phase === "reporting") return tellLate(this.logger, held);
    held.phase = "reporting";
    this.#running.delete(held);
    if (outcome.case === "returned") {
      held.givenBack = true;
      tellGivenBack(this.logger, held, outcome.value.reason);
    }
    this.#unreported++;
    const endedMs = this.#deps.clock.nowMs();
    if (outcome.case === "failure") this.#fail(held, outcome.value, endedMs);
    else this.#send(held, reportOf(held, outcome, endedMs));
    this.#begin();
  }

  /** A failure goes with what people are shown of it, which may have to be fetched. */
  #fail(held: HeldTask, value: Failure, endedMs: number): void {
    tellFailure(this.logger, held, value.message);
    const send = (shown: string): void => {
      value.shown = shown;
      this.#send(held, reportOf(held, { case: "failure", value }, endedMs));
    };
    const shown = shownOf(held, value, (of) => this.runInput(of));
    if (shown instanceof Promise) void shown.then(send);
    else send(shown);
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
    this.#table.letGo(held, this.#deps.clock.monotonicMs());
    if (held.cameAgain !== undefined) this.take([held.cameAgain]);
    if (this.#table.size === 0) this.#onIdle?.();
    this.#begin();
  }

  /** The log takes reports for as long as it takes anything; what it refuses for good is tried again, and said loudly. */
  onUnreported(held: HeldTask, report: TaskReport, error: PortError): void {
    if (error.code === "closed") return;
    if (error.code === "too-large" || error.code === "schema") {
      return this.#send(held, reportOf(held, this.#thrown(held, error), this.#deps.clock.nowMs()));
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
      // What was not begun is not lost with this worker.
      const outcome = why === "shutdown" ? givenBack(`${reason} before it began`) : outcomeOfStopped(held);
      this.#end(held, outcome);
    } else {
      held.closeByMs = this.#deps.clock.monotonicMs() + graceMs;
      held.silentByMs = Number.POSITIVE_INFINITY;
      this.#deadlines.watch(held);
    }
  }

  /** Its handler goes on. */
  heartbeat(held: HeldTask, progress: unknown): void {
    held.goesOn(progress, this.#deps.clock.monotonicMs());
  }

  /** Its time is over. The handler is told, but nobody waits for it any more. */
  #giveUp(held: HeldTask): void {
    const { startToCloseMs, heartbeatMs, actionName } = held.task;
    const silent = held.silentByMs < held.closeByMs;
    const why = silent
      ? `said nothing for ${heartbeatMs} ms (heartbeat)`
      : `took longer than its ${startToCloseMs} ms (startToClose)`;
    const last = held.progress === "" ? "" : `; its last progress: ${held.progress}`;
    const blocked = held.blocked === "" ? "" : `; ${held.blocked}`;
    held.stop("timeout", `the handler of action "${actionName}" ${why}${last}${blocked}`);
    const [owed] = held.owed.values();
    // Its time went by while Holdfast owed it something.
    if (owed !== undefined && held.stopping !== "cancelled")
      this.#end(held, givenBack(`its time was over while it waited for ${owed}`));
    else this.#end(held, outcomeOfStopped(held));
  }
}
