/**
 * From what users declared to the definition that the log carries. Checked by the core's own validator, so that what compiles
 * here is never refused there. It knows nothing of handlers.
 */
import { definitionProblems, DURATION_MS_MAX, modeNamed } from "@holdfast/core";
import {
  type ActionDefinition,
  ActionDefinitionSchema,
  type FailureMode,
  type ForEach,
  ForEachSchema,
  type OutputSource,
  OutputSourceSchema,
  RecoveryPolicySchema,
  RetentionPolicySchema,
  type RetryPolicy,
  RetryPolicySchema,
  type Timeouts,
  TimeoutsSchema,
  type Tolerate as ToleratePb,
  TolerateSchema,
  TriggerRule,
  UndoSchema,
  type WorkflowDefinition,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { FailureModeName } from "../action-error.js";
import { type Duration, durationMs, waitMs } from "../duration.js";
import { HoldfastError } from "../errors.js";
import { breaker } from "./breaker.js";
import { messageProblems } from "./failure-messages.js";
import { guardrails } from "./guardrails.js";
import type { AnyActionOptions, RetryOptions, Tolerate, Trigger, WorkflowOptions } from "./options.js";
import type { InputOption } from "./schema.js";

export interface DeclaredAction {
  readonly name: string;
  readonly over: "once" | "items";
  readonly options: AnyActionOptions;
  /** It has an undo handler. */
  readonly undo?: boolean;
  /** It has a recovery handler. */
  readonly recover?: boolean;
}

const RESERVED: ReadonlySet<string> = new Set(["input", "item", "index"]);
const TRIGGERS: Readonly<Record<Trigger, TriggerRule>> = {
  all_completed: TriggerRule.UNSPECIFIED,
  all_done: TriggerRule.ALL_DONE,
  any_completed: TriggerRule.ANY_COMPLETED,
};
const SECOND_MS = 1_000;

/** Throws `INVALID_DEFINITION` with everything that is wrong. */
export function compile(
  name: string,
  options: WorkflowOptions<InputOption>,
  inputSchema: string,
  actions: readonly DeclaredAction[],
): WorkflowDefinition {
  const definition = init(WorkflowDefinitionSchema, {
    name,
    actions: actions.map(compileAction),
    inputSchema,
    queue: options.queue ?? "",
    retention: options.retention && retention(options.retention),
    recovery: options.recovery && recovery(options.recovery),
    guardrails: options.guardrails && guardrails(options.guardrails),
  });
  const problems = [
    ...actions.flatMap(reservedProblem),
    ...definitionProblems(definition),
    ...messageProblems(actions, inputSchema),
  ];
  if (problems.length > 0) {
    throw new HoldfastError(
      "INVALID_DEFINITION",
      `workflow ${JSON.stringify(name)} can't run: ${problems.join("; ")}`,
      "never",
      {
        problems,
      },
    );
  }
  return definition;
}

function reservedProblem(action: DeclaredAction): string[] {
  if (action.undo === true) {
    const own = action.over === "items" ? "outputs" : "output";
    if (action.options.after?.includes(own) === true)
      return [
        `action "${action.name}" can't be undone after an action "${own}": its undo gets something else under "${own}"; rename that action`,
      ];
  }
  if (action.options.batch !== undefined && action.over === "items") {
    if (action.options.after?.includes("items") === true)
      return [
        `action "${action.name}" can't be an external batch after an action "items": its submit gets something else under "items"; rename that action`,
      ];
  }
  if (!RESERVED.has(action.name)) return [];
  return [`action "${action.name}" needs another name: handlers get something else under "${action.name}"`];
}

function timeouts(
  name: string,
  { startToClose, scheduleToStart, heartbeat }: AnyActionOptions,
): Timeouts | undefined {
  if (startToClose === undefined && scheduleToStart === undefined && heartbeat === undefined)
    return undefined;
  const ms = (span: Duration | undefined, what: string): number =>
    span === undefined ? 0 : positiveMs(span, `${what} of action ${name}`);
  return init(TimeoutsSchema, {
    startToCloseMs: ms(startToClose, "startToClose"),
    scheduleToStartMs: ms(scheduleToStart, "scheduleToStart"),
    heartbeatMs: ms(heartbeat, "heartbeat"),
  });
}

function compileAction({
  name,
  over,
  options,
  undo = false,
  recover = false,
}: DeclaredAction): ActionDefinition {
  if (over !== "items" && options.key !== undefined)
    throw invalid(`action ${name} is not over items: leave key out, or say where its items come from`);
  return init(ActionDefinitionSchema, {
    name,
    after: [...(options.after ?? [])],
    queue: options.queue ?? "",
    forEach: over === "items" ? forEach(name, options) : undefined,
    retry: options.retry && retry(name, options.retry),
    timeouts: timeouts(name, options),
    tolerate: options.tolerate && tolerate(name, options.tolerate),
    optional: options.optional ?? false,
    trigger: trigger(name, options.trigger),
    // A blank one counts as none.
    failureMessage: options.failureMessage?.trim() === "" ? "" : (options.failureMessage ?? ""),
    steps: [...(options.steps ?? [])],
    wait: options.wait,
    child: options.child,
    batch: options.batch,
    breaker: options.breaker && breaker(name, options.breaker, toPointer),
    recover,
    undo: undo ? init(UndoSchema) : undefined,
  });
}

function forEach(name: string, options: AnyActionOptions): ForEach {
  const { items, itemsOf, outputOf, lines, linesOf } = options;
  const sources = [items, itemsOf, outputOf, lines, linesOf];
  if (sources.filter((source) => source !== undefined).length !== 1) {
    throw invalid(
      `action ${name} is over items: give exactly one of items, itemsOf, outputOf, lines and linesOf`,
    );
  }
  const window = options.window === undefined ? 0 : count(options.window, 1, `window of action ${name}`);
  const how = { window, key: options.key === undefined ? undefined : toPointer(options.key) };
  if (itemsOf !== undefined)
    return init(ForEachSchema, { source: { case: "itemsOf", value: itemsOf }, ...how });
  if (outputOf !== undefined)
    return init(ForEachSchema, { source: { case: "outputOf", value: outputSource(outputOf) }, ...how });
  if (linesOf !== undefined)
    return init(ForEachSchema, { source: { case: "linesOfOutput", value: outputSource(linesOf) }, ...how });
  if (lines !== undefined)
    return init(ForEachSchema, { source: { case: "linesOfInput", value: toPointer(lines) }, ...how });
  return init(ForEachSchema, { source: { case: "inputPointer", value: toPointer(items ?? "") }, ...how });
}

const outputSource = ({
  action,
  path = "",
}: {
  readonly action: string;
  readonly path?: string;
}): OutputSource => init(OutputSourceSchema, { action, pointer: toPointer(path) });

/** A dotted path, or a JSON pointer as it is. */
export function toPointer(path: string): string {
  if (path === "" || path.startsWith("/")) return path;
  return path
    .split(".")
    .map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
}

export function retry(name: string, options: RetryOptions): RetryPolicy {
  const what = (part: string): string => `retry.${part} of action ${name}`;
  return init(RetryPolicySchema, {
    maxAttempts: options.maxAttempts === undefined ? 0 : count(options.maxAttempts, 1, what("maxAttempts")),
    initialBackoffMs: ms(options.initialBackoff, what("initialBackoff")),
    factorMilli: options.factor === undefined ? 0 : thousandths(options.factor, 1, 1_000, what("factor")),
    maxBackoffMs: ms(options.maxBackoff, what("maxBackoff")),
    jitterMilli: options.jitter === undefined ? undefined : thousandths(options.jitter, 0, 1, what("jitter")),
    retryOn: modes(options.retryOn, what("retryOn")),
    neverOn: modes(options.neverOn, what("neverOn")),
  });
}

function modes(names: readonly FailureModeName[] = [], what: string): FailureMode[] {
  return names.map((name) => {
    const mode = modeNamed(name);
    if (mode === undefined)
      throw invalid(`${what} names the failure mode ${JSON.stringify(name)}, which does not exist`);
    return mode;
  });
}

function tolerate(name: string, given: Tolerate): ToleratePb {
  if ("count" in given) {
    return init(TolerateSchema, {
      limit: { case: "count", value: count(given.count, 0, `tolerate.count of action ${name}`) },
    });
  }
  if (!(given.percent >= 0 && given.percent <= 100)) {
    throw invalid(`tolerate.percent of action ${name} is ${given.percent}: give 0 to 100`);
  }
  return init(TolerateSchema, { limit: { case: "basisPoints", value: Math.round(given.percent * 100) } });
}

function trigger(name: string, given: Trigger = "all_completed"): TriggerRule {
  const rule = Object.hasOwn(TRIGGERS, given) ? TRIGGERS[given] : undefined;
  if (rule === undefined) {
    throw invalid(
      `trigger of action ${name} is ${JSON.stringify(given)}: use ${Object.keys(TRIGGERS).join(", ")}`,
    );
  }
  return rule;
}

function recovery(given: NonNullable<WorkflowOptions<InputOption>["recovery"]>) {
  return init(RecoveryPolicySchema, {
    auto: given.auto,
    maxAttempts: given.maxAttempts === undefined ? 0 : count(given.maxAttempts, 1, "recovery.maxAttempts"),
    backoff: given.backoff && retry("recovery", given.backoff),
    deadLetter: given.deadLetter ?? false,
  });
}

function retention(given: NonNullable<WorkflowOptions<InputOption>["retention"]>) {
  return init(RetentionPolicySchema, {
    completedRetentionS: keptS(given.completed, "retention.completed"),
    failedRetentionS: keptS(given.failed, "retention.failed"),
    deadLetterRetentionS: keptS(given.deadLetters, "retention.deadLetters"),
  });
}

/** Whole seconds, never less than was given. */
const keptS = (given: Duration | undefined, what: string): number =>
  given === undefined ? 0 : Math.ceil(Number(waitMs(given, what)) / SECOND_MS);

const ms = (given: Duration | undefined, what: string): number =>
  given === undefined ? 0 : durationMs(given, what);

function positiveMs(given: Duration, what: string): number {
  const value = durationMs(given, what);
  if (value < 1) throw invalid(`${what} is ${JSON.stringify(given)}: give more than 0`);
  return value;
}

export function count(given: number, least: number, what: string): number {
  if (!Number.isInteger(given) || given < least || given > DURATION_MS_MAX) {
    throw invalid(`${what} is ${given}: give a whole number of at least ${least}`);
  }
  return given;
}

function thousandths(given: number, least: number, most: number, what: string): number {
  if (!(given >= least && given <= most)) throw invalid(`${what} is ${given}: give ${least} to ${most}`);
  return Math.round(given * 1_000);
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_DEFINITION", message);
}
