/**
 * Schedules: runs of a workflow that begin by themselves, at the instants of a cron expression.
 *
 * 1. What is wrong with one is told where it is put: the cluster would only show it as invalid.
 * 2. Everything that is thrown is a `HoldfastError`.
 */
import { nameProblem } from "@holdfast/core";
import {
  changeScheduleCommand,
  type Clock,
  type CommandClient,
  type ListSchedulesFilter,
  type PayloadCodec,
  putScheduleCommand,
  type QueryClient,
  QueryFailedError,
  scheduleHome,
  type SchedulesPage,
  schedulingProblem,
} from "@holdfast/engine";
import {
  type Accepted,
  type Command,
  ScheduleChange,
  ScheduleOverlap,
  type ScheduleSpec,
  ScheduleSpecSchema,
  type ScheduleView,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { type Duration, waitMs } from "../duration.js";
import { from, HoldfastError } from "../errors.js";
import { freshId } from "../ids.js";
import type { AnyWorkflow, WorkflowInput } from "../workflow/workflow.js";
import { acceptedOf } from "./accepted.js";
import { guardBy } from "./boundary.js";
import { checkCallOptions } from "./option-names.js";
import type { InputChecker } from "./input-checker.js";
import type { ChangeOptions, ControlOptions } from "./options.js";
import type { WorkflowRegistry } from "./registry.js";

/** What a schedule does. */
export interface ScheduleOptions<W extends AnyWorkflow | string> {
  /** Each run is of the definition that is the latest of this name then. */
  readonly workflow: W;
  /** Of five fields (minute hour day month weekday), six with seconds before them, seven with a year behind; or such as `@daily`. */
  readonly cron: string;
  /** An IANA name such as `Europe/Berlin`; default: UTC. */
  readonly timeZone?: string;
  /** Of each run. */
  readonly input?: W extends AnyWorkflow ? WorkflowInput<W> : unknown;
  /** Higher goes first. */
  readonly priority?: number;
  /** An instant that comes while a run has not ended: it is skipped (default), waits for its turn, or begins none the less. */
  readonly overlap?: "skip" | "buffer" | "allow";
  /** How late an instant may begin, where nobody was there in time: `"10s"` to a year. Default: an hour. */
  readonly catchUp?: Duration;
  /** With `buffer`: how many instants wait at most, 1-100. Default: 10. */
  readonly bufferMax?: number;
}

const OVERLAPS: Readonly<Record<NonNullable<ScheduleOptions<string>["overlap"]>, ScheduleOverlap>> = {
  skip: ScheduleOverlap.SKIP,
  buffer: ScheduleOverlap.BUFFER,
  allow: ScheduleOverlap.ALLOW,
};

export interface SchedulesDeps {
  readonly commands: CommandClient;
  readonly queries: QueryClient;
  readonly payloads: PayloadCodec;
  readonly registry: WorkflowRegistry;
  readonly inputs: InputChecker;
  readonly clock: Clock;
  readonly who: string;
}

export class Schedules {
  readonly #deps: SchedulesDeps;

  constructor(deps: SchedulesDeps) {
    this.#deps = deps;
  }

  /** Makes a schedule. `SCHEDULE_EXISTS` where there is one of this name. */
  create<W extends AnyWorkflow | string>(
    name: string,
    options: ScheduleOptions<W>,
    control: ControlOptions = {},
  ): Promise<void> {
    return guard(async () => void (await this.#put(name, options, control, true)));
  }

  /**
   * Makes a schedule, or changes what one does. Its runs go on; unless expression or time zone change, so does its next instant. Says
   * whether there was one.
   */
  put<W extends AnyWorkflow | string>(
    name: string,
    options: ScheduleOptions<W>,
    control: ControlOptions = {},
  ): Promise<{ readonly existed: boolean }> {
    return guard(async () => {
      const { existed } = await this.#put(name, options, control, false);
      return { existed };
    });
  }

  /** With its next instant, its runs that have not ended, and what became of the last instants. `SCHEDULE_NOT_FOUND` */
  get(name: string): Promise<ScheduleView> {
    return guard(() => this.#deps.queries.schedule(checkedName(name)));
  }

  /** Schedules of the whole cluster in the order of their names, a page at a time, each with its last instant. */
  list(filter: ListSchedulesFilter = {}): Promise<SchedulesPage> {
    return guard(() => {
      checkCallOptions("schedules", filter, "schedules.list");
      return this.#deps.queries.schedules(filter);
    });
  }

  /** Nothing of it begins until it is resumed; its runs go on. Instants meanwhile are counted as skipped. */
  pause(name: string, options: ChangeOptions = {}): Promise<void> {
    return guard(async () => void (await this.#change(name, ScheduleChange.PAUSE, options)));
  }

  resume(name: string, options: ChangeOptions = {}): Promise<void> {
    return guard(async () => void (await this.#change(name, ScheduleChange.RESUME, options)));
  }

  /** Begins a run at once, whatever else runs; also of a paused schedule. */
  trigger(name: string, options: ChangeOptions = {}): Promise<{ readonly runId: string }> {
    return guard(async () => {
      const { runId } = await this.#change(name, ScheduleChange.TRIGGER, options);
      return { runId };
    });
  }

  /** Nothing of it begins any more; its runs go on. */
  delete(name: string, options: ChangeOptions = {}): Promise<void> {
    return guard(async () => void (await this.#change(name, ScheduleChange.DELETE, options)));
  }

  #put(
    name: string,
    options: ScheduleOptions<AnyWorkflow | string>,
    control: ControlOptions,
    createOnly: boolean,
  ): Promise<Accepted> {
    return guard(async () => {
      checkCallOptions("schedule", options, `schedule ${name}`);
      checkCallOptions("control", control, `what is asked of schedule ${name}`);
      const { clock, who } = this.#deps;
      const spec = await this.#specOf(checkedName(name), options);
      const id = control.requestId ?? freshId("schedule");
      return this.#submit(
        name,
        putScheduleCommand({ name, spec, createOnly, who, id, nowMs: clock.nowMs() }),
      );
    });
  }

  async #specOf(name: string, options: ScheduleOptions<AnyWorkflow | string>): Promise<ScheduleSpec> {
    const { workflow, input, overlap = "skip", catchUp } = options;
    const { inputs, payloads, registry } = this.#deps;
    const spec = init(ScheduleSpecSchema, {
      workflow: typeof workflow === "string" ? workflow : workflow.name,
      cron: options.cron,
      timeZone: options.timeZone ?? "",
      priority: options.priority ?? 0,
      overlap: OVERLAPS[overlap] ?? (-1 as ScheduleOverlap),
      catchUpMs: catchUp === undefined ? 0n : waitMs(catchUp, "catchUp"),
      bufferMax: options.bufferMax ?? 0,
    });
    const problem = schedulingProblem(spec);
    if (problem !== undefined)
      throw new HoldfastError("INVALID_SCHEDULE", `schedule ${name} can't be put: ${problem}`);
    await inputs.check(workflow, input);
    if (typeof workflow !== "string" && (await registry.latest(workflow.name)) === undefined)
      await registry.register(workflow);
    if (input !== undefined)
      spec.input = await payloads.encode(input, `the input of schedule ${name}`, "input");
    return spec;
  }

  #change(name: string, change: ScheduleChange, options: ChangeOptions): Promise<Accepted> {
    return guard(() => {
      checkCallOptions("change", options, `what is asked of schedule ${name}`);
      const { clock, who } = this.#deps;
      const id = options.requestId ?? freshId("schedule");
      const { reason = "" } = options;
      checkedName(name);
      return this.#submit(
        name,
        changeScheduleCommand({ name, change, reason, who, id, nowMs: clock.nowMs() }),
      );
    });
  }

  async #submit(name: string, command: Command): Promise<Accepted> {
    const { commands, queries } = this.#deps;
    return acceptedOf(await commands.submit(scheduleHome(name, queries.partitions), command));
  }
}

function checkedName(name: string): string {
  const problem = nameProblem("schedule", name);
  if (problem !== undefined) throw new HoldfastError("INVALID_ARGUMENT", problem);
  return name;
}

/** The boundary: whatever is thrown below becomes a `HoldfastError`. */
const guard = <T>(run: () => T | Promise<T>): Promise<T> =>
  guardBy(run, (error) =>
    error instanceof QueryFailedError && error.code === "NOT_FOUND"
      ? new HoldfastError("SCHEDULE_NOT_FOUND", error.message, "never", {}, { cause: error })
      : from(error),
  );
