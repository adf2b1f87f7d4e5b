/**
 * Whether a definition can run at all. Says everything that is wrong, not only the first thing.
 */
import {
  type ActionDefinition,
  type ChildRun,
  type ForEach,
  type OutputSource,
  type RetryPolicy,
  TriggerRule,
  type Wait,
  type WorkflowDefinition,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { encode } from "@holdfast/proto/codec";
import { isKnownMode } from "../failure/modes.js";
import {
  ACTIONS_MAX,
  ATTEMPTS_MAX,
  DEFINITION_BYTES_MAX,
  UPSTREAM_MAX,
  WAIT_MS_MAX,
  WINDOW_MAX,
} from "../limits.js";
import { isDefinitionHash, nameProblem, quoted } from "../names.js";
import { breakerProblems } from "../policy/breaker.js";
import { isPointer } from "../text.js";
import { batchProblems } from "./validate-batch.js";
import { guardrailProblems, recoverProblem } from "./validate-guardrails.js";

const PROBLEMS_MAX = 20;
const UINT32_MAX = 0xffff_ffff;

/** The actions that an action waits for: those it names, and where its items come from. */
export function upstreamOf(action: ActionDefinition): string[] {
  const source = action.forEach?.source;
  const names = new Set(action.after);
  if (source?.case === "itemsOf") names.add(source.value);
  const output = outputSourceOf(action);
  if (output !== undefined) names.add(output.action);
  return [...names];
}

/** The upstream output that an action's items, or its child's input, stand in. */
export function outputSourceOf({ child, forEach }: ActionDefinition): OutputSource | undefined {
  const source = child?.input ?? forEach?.source;
  return source?.case === "outputOf" || source?.case === "linesOfOutput" ? source.value : undefined;
}

/** Where in the run's input, or in an upstream output, an action's items or its child's input stand. */
export function sourcePointerOf(action: ActionDefinition): string {
  const source = action.child?.input ?? action.forEach?.source;
  if (source?.case === "inputPointer" || source?.case === "linesOfInput") return source.value;
  return outputSourceOf(action)?.pointer ?? "";
}

/** Sentences that say what is wrong; empty: the definition is right. */
export function definitionProblems(definition: WorkflowDefinition): string[] {
  const problems: string[] = [];
  const say = (problem: string | undefined): void => {
    if (problem !== undefined && problems.length < PROBLEMS_MAX) problems.push(problem);
  };
  say(nameProblem("workflow", definition.name));
  if (definition.queue !== "") say(nameProblem("queue", definition.queue));
  if (definition.actions.length === 0) say("a workflow needs at least one action");
  if (definition.actions.length > ACTIONS_MAX) {
    say(`${definition.actions.length} actions are too many: a workflow has at most ${ACTIONS_MAX}`);
    return problems;
  }
  const bytes = problems.length === 0 ? sizeOf(definition) : 0;
  if (bytes > DEFINITION_BYTES_MAX) {
    say(`the definition is ${bytes} bytes: at most ${DEFINITION_BYTES_MAX} are allowed`);
    return problems;
  }
  if (definition.guardrails !== undefined) guardrailProblems(definition.guardrails, say);
  if (definition.inputSchema !== "") say(schemaProblem(definition.inputSchema));

  const byName = new Map<string, ActionDefinition>();
  for (const action of definition.actions) {
    say(nameProblem("action", action.name));
    if (byName.has(action.name)) say(`two actions are named ${quoted(action.name)}`);
    byName.set(action.name, action);
  }
  for (const action of definition.actions) actionProblems(action, byName, say);
  if (problems.length === 0) say(cycleProblem(definition, byName));
  return problems;
}

/** In bytes; 0 where it holds what can't be encoded, which is then told by name. */
function sizeOf(definition: WorkflowDefinition): number {
  try {
    return encode(WorkflowDefinitionSchema, definition).length;
  } catch {
    return 0;
  }
}

function schemaProblem(schema: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(schema);
    if (
      typeof parsed === "boolean" ||
      (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed))
    )
      return undefined;
    return "the input schema is JSON, but not a JSON Schema: it must be an object or a boolean";
  } catch {
    return "the input schema is not JSON";
  }
}

type Say = (problem: string | undefined) => void;

function actionProblems(
  action: ActionDefinition,
  byName: ReadonlyMap<string, ActionDefinition>,
  say: Say,
): void {
  const upstream = upstreamOf(action);
  if (action.queue !== "") say(nameProblem("queue", action.queue));
  if (upstream.length > UPSTREAM_MAX) {
    say(
      `action ${quoted(action.name)} waits for ${upstream.length} actions: at most ${UPSTREAM_MAX} are allowed`,
    );
  }
  for (const name of upstream) {
    if (name === action.name) say(`action ${quoted(action.name)} waits for itself`);
    else if (!byName.has(name))
      say(`action ${quoted(action.name)} waits for ${quoted(name)}, which the workflow does not have`);
  }
  if (action.wait !== undefined) waitProblems(action, action.wait, say);
  if (action.undo !== undefined) say(undoProblem(action));
  if (action.recover) say(recoverProblem(action));
  if (action.child !== undefined) childProblems(action, action.child, byName, say);
  if (action.batch !== undefined) {
    for (const problem of batchProblems(action, action.batch)) say(problem);
    if (action.batch.poll !== undefined) retryProblems(action.name, action.batch.poll, say);
  }
  if (action.breaker !== undefined) {
    if (action.wait !== undefined || action.child !== undefined)
      say(
        `action ${quoted(action.name)} waits or is a child run: it makes no attempts that a breaker could hold; declare the breaker on an action with a handler`,
      );
    if (action.breaker.itemKey !== undefined && action.forEach === undefined)
      say(
        `action ${quoted(action.name)} is not over items: its breaker can't take its key from an item (breaker.item_key); take it from the run's input (breaker.key)`,
      );
    else if (action.breaker.itemKey !== undefined && action.batch !== undefined)
      say(
        `action ${quoted(action.name)} is an external batch: a job takes items of many keys, so its breaker can't take its key from an item (breaker.item_key)`,
      );
    for (const problem of breakerProblems(action.breaker)) say(`action ${quoted(action.name)}: ${problem}`);
  }
  if (action.forEach !== undefined) {
    itemsProblems(action, action.forEach, byName, say);
  } else if (action.tolerate?.limit.case !== undefined) {
    say(`action ${quoted(action.name)} tolerates failed items but is not over items`);
  }
  if (TriggerRule[action.trigger] === undefined)
    say(`action ${quoted(action.name)}: this version knows no trigger rule ${action.trigger}`);
  const percent = action.tolerate?.limit;
  if (percent?.case === "basisPoints" && percent.value > 10_000)
    say(`action ${quoted(action.name)} tolerates more than 100 %`);
  for (const [what, value] of numbersOf(action)) {
    if (!Number.isInteger(value) || value < 0 || value > UINT32_MAX)
      say(
        `action ${quoted(action.name)}: ${what} is ${value}: it must be a whole number from 0 to ${UINT32_MAX}`,
      );
  }
  if (action.retry !== undefined) retryProblems(action.name, action.retry, say);
}

function itemsProblems(
  action: ActionDefinition,
  { source, window, key }: ForEach,
  byName: ReadonlyMap<string, ActionDefinition>,
  say: Say,
): void {
  const subject = `action ${quoted(action.name)}`;
  const overItems = (name: string): boolean => byName.get(name)?.forEach !== undefined;
  if (source.case === undefined) say(`${subject} is over items but does not say where they come from`);
  const pointer = sourcePointerOf(action);
  if (!isPointer(pointer)) say(`${subject}: ${quoted(pointer)} is no JSON pointer: use "" or "/rows/list"`);
  if (source.case === "itemsOf" && byName.has(source.value) && !overItems(source.value)) {
    say(
      `${subject} takes the items of ${quoted(source.value)}, which is not over items: take its output instead`,
    );
  }
  const output = outputSourceOf(action)?.action;
  if (output !== undefined && overItems(output))
    say(`${subject} takes the output of ${quoted(output)}, which is over items: take its items instead`);
  if (key !== undefined && !isPointer(key))
    say(`${subject}: for_each.key ${quoted(key)} is no JSON pointer: use "/orderId"`);
  if (window > WINDOW_MAX) say(`${subject}: a window of ${window} is too large: at most ${WINDOW_MAX}`);
}

/** Numbers that a builder may have got wrong; from the wire they can't be. */
function numbersOf({ retry, timeouts, tolerate, forEach, batch }: ActionDefinition): [string, number][] {
  return [
    ["max_attempts", retry?.maxAttempts ?? 0],
    ["initial_backoff_ms", retry?.initialBackoffMs ?? 0],
    ["max_backoff_ms", retry?.maxBackoffMs ?? 0],
    ["factor_milli", retry?.factorMilli ?? 0],
    ["jitter_milli", retry?.jitterMilli ?? 0],
    ["start_to_close_ms", timeouts?.startToCloseMs ?? 0],
    ["heartbeat_ms", timeouts?.heartbeatMs ?? 0],
    ["schedule_to_start_ms", timeouts?.scheduleToStartMs ?? 0],
    ["tolerate", tolerate?.limit.value ?? 0],
    ["window", forEach?.window ?? 0],
    ["batch.poll.initial_backoff_ms", batch?.poll?.initialBackoffMs ?? 0],
    ["batch.poll.max_backoff_ms", batch?.poll?.maxBackoffMs ?? 0],
    ["batch.poll.factor_milli", batch?.poll?.factorMilli ?? 0],
  ];
}

function retryProblems(name: string, retry: RetryPolicy, say: Say): void {
  if (retry.maxAttempts > ATTEMPTS_MAX) say(`action ${quoted(name)}: at most ${ATTEMPTS_MAX} attempts`);
  if (retry.factorMilli !== 0 && retry.factorMilli < 1000)
    say(`action ${quoted(name)}: a backoff factor below 1 is not allowed`);
  if ((retry.jitterMilli ?? 0) > 1000) say(`action ${quoted(name)}: jitter is at most 1 (±100 %)`);
  for (const mode of [...retry.retryOn, ...retry.neverOn])
    if (!isKnownMode(mode)) say(`action ${quoted(name)}: this version knows no failure mode ${mode}`);
}

function waitProblems(action: ActionDefinition, wait: Wait, say: Say): void {
  const subject = `action ${quoted(action.name)}`;
  if (action.forEach !== undefined) say(`${subject} waits and is over items: it can be one of them only`);
  const long = (ms: bigint): void => {
    if (ms > WAIT_MS_MAX) say(`${subject} waits for ${ms} ms: at most ${WAIT_MS_MAX} are allowed`);
  };
  switch (wait.for.case) {
    case "sleepMs":
      if (wait.for.value === 0n) say(`${subject} sleeps for no time`);
      return long(wait.for.value);
    case "signal":
      say(nameProblem("signal", wait.for.value.name));
      return long(wait.for.value.timeoutMs);
    case "approval":
      return long(wait.for.value.timeoutMs);
    default:
      say(`${subject} waits but does not say for what`);
  }
}

function undoProblem(action: ActionDefinition): string | undefined {
  if (action.wait === undefined && action.child === undefined) return undefined;
  const what =
    action.wait === undefined
      ? "is a child run: it has no handler that could undo it"
      : "only waits: there is nothing to undo";
  return `action ${quoted(action.name)} ${what}; declare the undo on an action with a handler`;
}

function childProblems(
  action: ActionDefinition,
  { workflow, definitionHash }: ChildRun,
  byName: ReadonlyMap<string, ActionDefinition>,
  say: Say,
): void {
  const subject = `action ${quoted(action.name)}`;
  say(nameProblem("workflow", workflow));
  if (definitionHash !== "" && !isDefinitionHash(definitionHash))
    say(`${subject}: ${quoted(definitionHash)} is no definition's hash: leave it out for the latest`);
  if (action.forEach !== undefined || action.wait !== undefined || action.batch !== undefined)
    say(`${subject} is a child run, and is over items, waits or is a batch: it can be one of them only`);
  const { heartbeatMs = 0, scheduleToStartMs = 0 } = action.timeouts ?? {};
  if (heartbeatMs !== 0 || scheduleToStartMs !== 0)
    say(
      `${subject} is a child run, which no worker takes as a whole: declare heartbeat and schedule-to-start at its own workflow's actions; start-to-close can be declared here`,
    );
  if (action.steps.length > 0) say(`${subject} is a child run: steps are its own workflow's to declare`);
  const pointer = sourcePointerOf(action);
  if (!isPointer(pointer)) say(`${subject}: ${quoted(pointer)} is no JSON pointer: use "" or "/rows/list"`);
  const output = outputSourceOf(action)?.action;
  if (output !== undefined && byName.get(output)?.forEach !== undefined) {
    say(
      `${subject} takes the output of ${quoted(output)}, which is over items: put an action between them that gathers what the child needs`,
    );
  }
}

/** Names the actions of one circle, in its order. */
function cycleProblem(
  definition: WorkflowDefinition,
  byName: ReadonlyMap<string, ActionDefinition>,
): string | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): string | undefined => {
    if (done.has(name)) return undefined;
    const at = path.indexOf(name);
    if (at >= 0)
      return `the actions wait for each other in a circle: ${[...path.slice(at), name].join(" → ")}`;
    path.push(name);
    for (const upstream of upstreamOf(byName.get(name) as ActionDefinition)) {
      const found = visit(upstream);
      if (found !== undefined) return found;
    }
    path.pop();
    done.add(name);
    return undefined;
  };
  for (const action of definition.actions) {
    const found = visit(action.name);
    if (found !== undefined) return found;
  }
  return undefined;
}
