/** The names that options of a client's calls may have. */
import type {
  ListDeadLettersFilter,
  ListItemsFilter,
  ListRunsFilter,
  ListSchedulesFilter,
  ListSignaturesFilter,
} from "@holdfast/engine";
import { checkNames, type Names, namesOf } from "../known-options.js";
import type { ArtifactOptions } from "../artifact.js";
import type { All } from "./bulk-options.js";
import type {
  CancelOptions,
  ChangeOptions,
  ConnectOptions,
  ControlOptions,
  DeadLetterOptions,
  DecisionOptions,
  HoldfastOptions,
  RestartOptions,
  RetryOptions,
  StartOptions,
} from "./options.js";
import type { AnyWorkflow } from "../workflow/workflow.js";
import type { ListRejectedOptions, ReplayRejectedOptions } from "./rejected.js";
import type { ScheduleOptions } from "./schedules.js";

const CONTROL: Readonly<Record<keyof ControlOptions, 1>> = { requestId: 1 };
const CHANGE: Readonly<Record<keyof ChangeOptions, 1>> = { ...CONTROL, reason: 1 };
const CLIENT: Readonly<Record<keyof HoldfastOptions, 1>> = { name: 1, logger: 1, clock: 1 };
const PAGE = { pageSize: 1, pageToken: 1 } as const;
const BULK = { dryRun: 1, limit: 1, reason: 1, operationId: 1 } as const;
const SELECTORS = { workflow: 1, queue: 1, signature: 1, runIds: 1 } as const;
const FAILED = { modes: 1, endedFrom: 1, endedUntil: 1 } as const;

const NAMES = {
  connect: namesOf<ConnectOptions>({ ...CLIENT, url: 1, access: 1, waitMs: 1 }),
  over: namesOf<HoldfastOptions>(CLIENT),
  start: namesOf<StartOptions>({
    runId: 1,
    priority: 1,
    onConflict: 1,
    startAt: 1,
    traceparent: 1,
  }),
  restart: namesOf<RestartOptions & { workflow?: AnyWorkflow }>({
    ...CHANGE,
    input: 1,
    runId: 1,
    workflow: 1,
  }),
  retry: namesOf<RetryOptions>({ ...CHANGE, strategy: 1, force: 1, action: 1, items: 1, deadLetters: 1 }),
  cancel: namesOf<CancelOptions>({ ...CHANGE, grace: 1 }),
  change: namesOf<ChangeOptions>(CHANGE),
  control: namesOf<ControlOptions>(CONTROL),
  decide: namesOf<DecisionOptions>({ ...CONTROL, action: 1, comment: 1 }),
  deadLetter: namesOf<DeadLetterOptions>({ ...CHANGE, action: 1, items: 1 }),
  artifact: namesOf<ArtifactOptions>({ name: 1, contentType: 1 }),
  schedule: namesOf<ScheduleOptions<string>>({
    workflow: 1,
    cron: 1,
    timeZone: 1,
    input: 1,
    priority: 1,
    overlap: 1,
    catchUp: 1,
    bufferMax: 1,
  }),
  bulkRetry: namesOf<Omit<All, "createdFrom" | "createdUntil" | "grace">>({
    ...BULK,
    ...SELECTORS,
    ...FAILED,
    strategy: 1,
    force: 1,
    canary: 1,
  }),
  bulkMove: namesOf<Pick<All, keyof typeof BULK | keyof typeof SELECTORS | keyof typeof FAILED>>({
    ...BULK,
    ...SELECTORS,
    ...FAILED,
  }),
  bulkCancel: namesOf<
    Pick<All, keyof typeof BULK | keyof typeof SELECTORS | "createdFrom" | "createdUntil" | "grace">
  >({ ...BULK, ...SELECTORS, createdFrom: 1, createdUntil: 1, grace: 1 }),
  canary: namesOf<NonNullable<All["canary"]>>({ first: 1, later: 1 }),
  runs: namesOf<ListRunsFilter>({
    workflow: 1,
    statuses: 1,
    effects: 1,
    waiting: 1,
    createdAfterNs: 1,
    createdBeforeNs: 1,
    ...PAGE,
  }),
  items: namesOf<ListItemsFilter>({ action: 1, statuses: 1, keys: 1, ...PAGE }),
  failures: namesOf<ListSignaturesFilter>({ workflow: 1, failedOnly: 1, limit: 1 }),
  deadLetters: namesOf<ListDeadLettersFilter>({
    workflow: 1,
    queue: 1,
    modes: 1,
    runId: 1,
    movedAfterNs: 1,
    movedBeforeNs: 1,
    ...PAGE,
  }),
  schedules: namesOf<ListSchedulesFilter>({ workflow: 1, ...PAGE }),
  rejectedList: namesOf<ListRejectedOptions>({ workflow: 1, afterId: 1, limit: 1 }),
  rejectedReplay: namesOf<ReplayRejectedOptions>({ input: 1, workflow: 1, headers: 1, reason: 1 }),
  rejectedDiscard: namesOf<{ reason: string }>({ reason: 1 }),
  bulkList: namesOf<{ limit?: number }>({ limit: 1 }),
} satisfies Readonly<Record<string, Names>>;

/** Throws `INVALID_ARGUMENT` for an option that is misspelt. `call`: as whoever wrote it knows it. */
export const checkCallOptions = (of: keyof typeof NAMES, options: unknown, call: string): void =>
  checkNames(options, NAMES[of], `the options of ${call}`);
