/** The names that options of a workflow and its actions may have, and the check of them where they are written. */
import { HoldfastError } from "../errors.js";
import { checkNames, type Names, namesOf } from "../known-options.js";
import type { BatchOptions } from "./batch.js";
import type { AnyBeside } from "./beside.js";
import type { ItemBreakerOptions } from "./breaker.js";
import type { FromInput, FromItems, FromLines, FromOutput, FromOutputLines } from "./item-sources.js";
import type {
  ActionOptions,
  ApprovalOptions,
  ChildOptions,
  ForEachOptions,
  GuardrailOptions,
  RetryOptions,
  SignalOptions,
  SleepOptions,
  Trigger,
  WorkflowOptions,
} from "./options.js";
import type { InputOption } from "./schema.js";

type Waits = Pick<ActionOptions<string, Trigger>, "after" | "trigger">;
type Sources = FromInput<string> &
  FromItems<string> &
  FromLines<string> &
  FromOutput<string, string> &
  FromOutputLines<string, string>;

const WAITS: Readonly<Record<keyof Waits, 1>> = { after: 1, trigger: 1 };
const ACTION: Readonly<Record<keyof ActionOptions<string, Trigger>, 1>> = {
  ...WAITS,
  retry: 1,
  startToClose: 1,
  scheduleToStart: 1,
  heartbeat: 1,
  queue: 1,
  optional: 1,
  failureMessage: 1,
  breaker: 1,
  steps: 1,
};
const SOURCES: Readonly<Record<keyof Sources, 1>> = {
  items: 1,
  itemsOf: 1,
  lines: 1,
  linesOf: 1,
  outputOf: 1,
};
const RETRY: Readonly<Record<keyof RetryOptions, 1>> = {
  maxAttempts: 1,
  initialBackoff: 1,
  factor: 1,
  maxBackoff: 1,
  jitter: 1,
  retryOn: 1,
  neverOn: 1,
};

/** By the builder's method. */
const OF_METHOD = {
  action: namesOf<ActionOptions<string, Trigger>>(ACTION),
  forEach: namesOf<ForEachOptions<string, Trigger> & Sources>({
    ...ACTION,
    ...SOURCES,
    window: 1,
    key: 1,
    tolerate: 1,
  }),
  batch: namesOf<
    ActionOptions<string, Trigger> &
      Sources &
      BatchOptions & { itemsAJob?: number; tolerate?: unknown; key?: string }
  >({
    ...ACTION,
    ...SOURCES,
    key: 1,
    tolerate: 1,
    pollInterval: 1,
    timeout: 1,
    itemsAJob: 1,
  }),
  sleep: namesOf<SleepOptions<string, Trigger>>({ ...WAITS, for: 1 }),
  waitForSignal: namesOf<SignalOptions<string, Trigger> & { payload?: unknown }>({
    ...WAITS,
    signal: 1,
    timeout: 1,
    optional: 1,
    payload: 1,
  }),
  approval: namesOf<ApprovalOptions<string, Trigger>>({
    ...WAITS,
    prompt: 1,
    timeout: 1,
    onTimeout: 1,
    optional: 1,
  }),
  child: namesOf<ChildOptions<unknown, string, string, Trigger>>({
    ...WAITS,
    workflow: 1,
    pinned: 1,
    input: 1,
    outputOf: 1,
    retry: 1,
    startToClose: 1,
    optional: 1,
  }),
};

const BREAKER: Readonly<Record<Exclude<keyof ItemBreakerOptions, "itemKey">, 1>> = {
  failureRate: 1,
  minSamples: 1,
  window: 1,
  openFor: 1,
  factor: 1,
  maxOpenFor: 1,
  probes: 1,
  onOpen: 1,
  key: 1,
  modes: 1,
};
const OUTPUT = namesOf<{ action: string; path?: string }>({ action: 1, path: 1 });
const retryNames = namesOf<RetryOptions>(RETRY);
/** What may stand within other options, by their name. */
const WITHIN: Readonly<Record<string, Names>> = {
  retry: retryNames,
  breaker: namesOf<ItemBreakerOptions>({ ...BREAKER, itemKey: 1 }),
  tolerate: namesOf<{ count: number; percent: number }>({ count: 1, percent: 1 }),
  outputOf: OUTPUT,
  linesOf: OUTPUT,
};
const POLL = namesOf<{ initial: unknown; factor: unknown; max: unknown; jitter: unknown }>({
  initial: 1,
  factor: 1,
  max: 1,
  jitter: 1,
});
const BESIDE = namesOf<AnyBeside>({ undo: 1, recover: 1 });
const JOB_HANDLERS = namesOf<{ submit: 1; check: 1; cancel: 1 }>({ submit: 1, check: 1, cancel: 1 });

const WORKFLOW = namesOf<WorkflowOptions<InputOption>>({
  input: 1,
  queue: 1,
  classify: 1,
  recovery: 1,
  guardrails: 1,
  retention: 1,
});
type Part<K extends keyof WorkflowOptions<InputOption>> = NonNullable<WorkflowOptions<InputOption>[K]>;
const RECOVERY = namesOf<Part<"recovery">>({ auto: 1, maxAttempts: 1, backoff: 1, deadLetter: 1 });
const BACKOFF = namesOf<NonNullable<Part<"recovery">["backoff"]>>({
  initialBackoff: 1,
  factor: 1,
  maxBackoff: 1,
  jitter: 1,
});
const GUARDRAILS = namesOf<GuardrailOptions>({ maxDuration: 1, maxSteps: 1, budgets: 1, stuckRevisitGap: 1 });
const RETENTION = namesOf<Part<"retention">>({ completed: 1, failed: 1, deadLetters: 1 });

const CODE = "INVALID_DEFINITION";

/** Throws `INVALID_DEFINITION` for an option that is misspelt, or in another place than it belongs. */
export function checkWorkflowOptions(name: string, options: WorkflowOptions<InputOption>): void {
  const of = (part: string): string => `${part}the options of workflow ${name}`;
  checkNames(options, WORKFLOW, of(""), CODE);
  checkNames(options.recovery, RECOVERY, of("recovery in "), CODE);
  checkNames(options.recovery?.backoff, BACKOFF, of("recovery.backoff in "), CODE);
  checkNames(options.guardrails, GUARDRAILS, of("guardrails in "), CODE);
  checkNames(options.retention, RETENTION, of("retention in "), CODE);
  const classify: unknown = options.classify;
  if (classify !== undefined && typeof classify !== "function")
    throw new HoldfastError(CODE, `${of("classify in ")} must be a function`);
}

/** The same of an action. */
export function checkActionOptions(
  method: keyof typeof OF_METHOD,
  name: string,
  options: object | undefined,
): void {
  if (options === undefined) return;
  const of = (part: string): string => `${part}the options of action ${name}`;
  checkNames(options, OF_METHOD[method], of(""), CODE);
  for (const [part, names] of Object.entries(WITHIN))
    checkNames((options as Record<string, unknown>)[part], names, of(`${part} in `), CODE);
  const { pollInterval } = options as BatchOptions;
  if (typeof pollInterval === "object") checkNames(pollInterval, POLL, of("pollInterval in "), CODE);
}

/** The same of what stands beside a handler. */
export const checkBesideNames = (name: string, beside: object): void =>
  checkNames(beside, BESIDE, `what stands beside the handler of action ${name}`, CODE);

export const checkJobHandlerNames = (name: string, handlers: object): void =>
  checkNames(handlers, JOB_HANDLERS, `the handlers of action ${name}`, CODE);
