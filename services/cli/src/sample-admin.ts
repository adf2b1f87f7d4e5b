/**
 * A small admin service in memory, behind real gRPC: for tests of what commands say and exit with.
 * It knows one run, `import-1`, in whatever state a test puts it.
 */
import {
  AdminService,
  AttentionKind,
  type Breach,
  BreakerStatus,
  FailureMode,
  ItemStatus,
  RetryResultKind,
  RunStatus,
  type RunView,
  ScheduleChange,
  ScheduleOutcome,
  ScheduleOverlap,
  ScheduleStatus,
} from "@holdfast/proto";
import {
  RpcError,
  type RpcServer,
  type RpcServerOptions,
  serve,
  type ServiceHandlers,
  startServer,
} from "@holdfast/rpc";
import { rejectedHandlers } from "./sample-rejected.js";
import { bulkHandlers } from "./sample-bulk.js";
import { failedItem, partialRun } from "./render/sample-runs.js";

interface SampleState {
  /** Changes what the one run is. */
  run: RunView;
  /** What was asked, as `method request-field`. */
  readonly asked: string[];
  /** What the retry of the one run is answered with. */
  retryKind: RetryResultKind;
  /** What a check finds. */
  breaches: Omit<Breach, "$typeName" | "$unknown">[];
}

const SAMPLE_BREAKER = {
  workflow: "films",
  action: "check",
  partition: 3,
  status: BreakerStatus.OPEN,
  text: "breaker open until 2026-03-01 12:00:00 UTC: 9 of 10 attempts failed within 60 s",
  windowMs: 60_000,
  ended: 10,
  failed: 9,
  rateBp: 9_000,
  tripsAtBp: 5_000,
  minSamples: 10,
  held: 2,
  heldItems: 40,
  transitions: [
    { from: BreakerStatus.CLOSED, to: BreakerStatus.OPEN, cause: "9 of 10 attempts failed within 60 s" },
  ],
};

const SAMPLE_SCHEDULE = {
  name: "nightly",
  spec: { workflow: "films", cron: "0 2 * * *", timeZone: "Europe/Berlin", overlap: ScheduleOverlap.BUFFER },
  status: ScheduleStatus.ACTIVE,
  next: { seconds: 1_772_330_400n },
  instants: 9n,
  started: 5n,
  skipped: 3n,
  missed: 1n,
  live: [{ runId: "nightly-20260228T010000Z", instant: { seconds: 1_772_240_400n } }],
  history: [
    {
      instant: { seconds: 1_772_244_000n },
      until: { seconds: 1_772_251_200n },
      count: 3n,
      outcome: ScheduleOutcome.SKIPPED,
      reason: "run nightly-20260228T010000Z has not ended",
    },
    {
      instant: { seconds: 1_772_240_400n },
      count: 1n,
      outcome: ScheduleOutcome.STARTED,
      runId: "nightly-20260228T010000Z",
      runStatus: RunStatus.COMPLETED,
    },
  ],
};

const SAMPLE_LETTERS = [
  {
    runId: "import-1",
    workflow: "films",
    action: "check",
    item: 17,
    queue: "default",
    mode: FailureMode.VALIDATION,
    failure: "row 17 has no title",
    movedAt: { seconds: 1_772_366_400n, nanos: 0 },
    who: "ann",
    reason: "asked the studio",
    keptUntil: { seconds: 1_774_958_400n, nanos: 0 },
    status: RunStatus.COMPLETED_WITH_FAILURES,
  },
  {
    runId: "import-2",
    workflow: "films",
    queue: "default",
    mode: FailureMode.TIMEOUT,
    failure: "check: timed out",
    movedAt: { seconds: 1_772_362_800n, nanos: 0 },
    reason: "its 3 recoveries are spent",
    byPolicy: true,
    keptUntil: { seconds: 1_774_954_800n, nanos: 0 },
    status: RunStatus.FAILED,
  },
];

const SAMPLE_SIGNATURE = {
  id: "5381a29500f90716",
  workflow: "films",
  action: "check",
  mode: FailureMode.VALIDATION,
  message: "row <n> is bad",
  sample: "row 7 is bad",
  firstSeen: { seconds: 1_772_300_000n },
  lastSeen: { seconds: 1_772_366_400n },
  count: 44n,
  runs: 3n,
  items: 41n,
  examples: [{ runId: "films-1", status: RunStatus.COMPLETED }, { runId: "films-2" }],
  trend: [...Array.from({ length: 22 }, () => 0), 4, 40],
  trendUntil: { seconds: 1_772_362_800n },
  partitions: 2,
};

export interface SampleAdmin extends SampleState {
  readonly address: string;
  close(): Promise<void>;
}

export async function startSampleAdmin(network: Pick<RpcServerOptions, "tls"> = {}): Promise<SampleAdmin> {
  const state: SampleState = {
    run: partialRun(),
    asked: [],
    retryKind: RetryResultKind.RETRIED,
    breaches: [],
  };
  const server: RpcServer = await startServer({
    ...network,
    services: [serve(AdminService, handlersOf(state))],
  });
  return Object.assign(state, { address: server.address, close: () => server.close() });
}

function findRun(run: RunView, runId: string): RunView {
  if (run.summary?.runId === runId) return run;
  if (runId === "soon") throw new RpcError("NOT_FOUND", "run soon is not begun", { reason: "NOT_BEGUN" });
  throw new RpcError("NOT_FOUND", `There is no run ${runId}.`, { runId });
}

function handlersOf(state: SampleState): ServiceHandlers<typeof AdminService> {
  const summary = () => state.run.summary ?? partialRun().summary;
  return {
    startRun: async (request) => {
      state.asked.push(`startRun ${request.workflow} ${request.inputJson} ${request.runId}`);
      if (request.workflow === "unknown") {
        throw new RpcError("NOT_FOUND", "No workflow is named unknown: start a worker that registers it.");
      }
      return {
        runId: request.runId === "" ? "import-1" : request.runId,
        existed: false,
        status: RunStatus.PENDING,
      };
    },
    getRun: async ({ runId }) => ({ run: findRun(state.run, runId) }),
    listRuns: async (request) => {
      state.asked.push(`listRuns ${request.workflow} ${request.statuses.join("+")} ${request.pageToken}`);
      const run = summary();
      // Two pages of one run each.
      return {
        runs: run === undefined ? [] : [run],
        nextPageToken: request.pageToken === "" ? "second" : "",
      };
    },
    listItems: async (request) => {
      state.asked.push(
        `listItems ${request.action} ${request.statuses.join("+")} ${[request.pageSize, ...request.keys].join(" ")}`,
      );
      findRun(state.run, request.runId);
      const items = request.statuses.includes(ItemStatus.FAILED) ? [failedItem(17), failedItem(19)] : [];
      return {
        items: items.slice(0, request.pageSize),
        counts: { total: 20, succeeded: 18, failed: 2 },
        action: request.action,
      };
    },
    retryRun: async ({ runId, requestId, action, items, itemKeys, deadLetters }) => {
      const which = action === "" ? "" : ` ${action}#${[...items, ...itemKeys].join("+")}`;
      const id = requestId === "" ? "no id" : "id";
      state.asked.push(`retryRun ${runId} ${id}${which}${deadLetters ? " of the dead letters" : ""}`);
      findRun(state.run, runId);
      if (summary()?.status === RunStatus.COMPLETED) {
        throw new RpcError("FAILED_PRECONDITION", `Run ${runId} is COMPLETED: nothing of it failed.`);
      }
      return { runId, status: RunStatus.RUNNING, items: 2, actions: 3 };
    },
    restartRun: async ({ runId, inputJson, newRunId, reason, requestId }) => {
      const id = requestId === "" ? "no id" : "id";
      state.asked.push(`restartRun ${runId} ${id} ${inputJson ?? "as it was"} ${newRunId} ${reason}`);
      const { parent } = findRun(state.run, runId);
      const made = newRunId === "" ? `${runId}-again-0a1b2c3d4e` : newRunId;
      return { runId: made, status: RunStatus.RUNNING, ...(parent === undefined ? {} : { parent }) };
    },
    ...bulkHandlers(state.asked),
    retryFailed: async function* (request) {
      const selectors = [request.workflow, request.runIds.join("+"), request.signature];
      state.asked.push(`retryFailed ${selectors.join(" ")}`);
      if ([...selectors, request.queue].filter((text) => text !== "").length !== 1) {
        throw new RpcError("INVALID_ARGUMENT", "Exactly one selector is to be set.");
      }
      const refused = state.retryKind === RetryResultKind.REFUSED;
      yield { kind: { case: "result", value: { runId: "import-1", kind: state.retryKind, items: 2 } } };
      const counts = { matched: 1n, retried: refused ? 0n : 1n, refused: refused ? 1n : 0n };
      yield { kind: { case: "outcome", value: counts } };
    },
    cancelRun: async ({ runId, graceMs }) => {
      findRun(state.run, runId);
      state.asked.push(`cancelRun ${runId} ${graceMs ?? "default"}`);
      return { runId, status: RunStatus.CANCELLED };
    },
    pauseRun: async ({ runId, reason }) => {
      findRun(state.run, runId);
      state.asked.push(`pauseRun ${runId} ${reason}`);
      return { runId, status: RunStatus.PAUSED };
    },
    resumeRun: async ({ runId }) => {
      findRun(state.run, runId);
      state.asked.push(`resumeRun ${runId}`);
      return { runId, status: RunStatus.RUNNING };
    },
    pauseWorkflow: async ({ workflow, reason }) => {
      state.asked.push(`pauseWorkflow ${workflow} ${reason}`);
      return {};
    },
    resumeWorkflow: async ({ workflow }) => {
      state.asked.push(`resumeWorkflow ${workflow}`);
      return {};
    },
    listFailureSignatures: async ({ workflow, failedOnly, limit }) => {
      state.asked.push(`listFailureSignatures ${workflow} ${failedOnly ? "now" : "ever"} ${limit}`);
      const gaveWay = [{ workflow: "films", signatures: 3n, failures: 12n, at: { seconds: 1_772_366_400n } }];
      return { signatures: [SAMPLE_SIGNATURE], more: true, incomplete: false, gaveWay };
    },
    getFailureSignature: async ({ id }) => {
      state.asked.push(`getFailureSignature ${id}`);
      const failedRuns = [{ runId: "films-3", createdAt: { seconds: 1_772_366_000n } }];
      return { signature: SAMPLE_SIGNATURE, failedRuns, moreFailedRuns: true };
    },
    listBreakers: async ({ workflow, openOnly }) => {
      state.asked.push(`listBreakers ${workflow} ${openOnly ? "open" : "all"}`);
      return { breakers: [SAMPLE_BREAKER], more: false };
    },
    getBreaker: async ({ workflow, action }) => {
      state.asked.push(`getBreaker ${workflow} ${action}`);
      return { breakers: [SAMPLE_BREAKER] };
    },
    changeBreaker: async ({ workflow, action, change, reason }) => {
      const span = change.case === "open" ? ` ${change.value.forMs}` : "";
      state.asked.push(`changeBreaker ${workflow} ${action} ${change.case}${span} ${reason}`);
      return { partitions: 16 };
    },
    putSchedule: async (request) => {
      const { name, workflow, cron, timeZone, inputJson, overlap, catchUpMs } = request;
      state.asked.push(
        `putSchedule ${name} ${workflow} ${cron} ${timeZone} ${inputJson} ${overlap} ${catchUpMs}`,
      );
      if (cron === "nonsense")
        throw new RpcError("INVALID_ARGUMENT", 'cron: "nonsense" is no cron expression');
      return { existed: false, upcoming: [{ seconds: 1_772_330_400n }] };
    },
    getSchedule: async ({ name }) => {
      if (name !== "nightly") throw new RpcError("NOT_FOUND", `there is no schedule ${name}`);
      return {
        schedule: SAMPLE_SCHEDULE,
        upcoming: [{ seconds: 1_772_330_400n }, { seconds: 1_772_416_800n }],
      };
    },
    listSchedules: async ({ workflow, pageToken }) => {
      state.asked.push(`listSchedules ${workflow} ${pageToken}`);
      return { schedules: [SAMPLE_SCHEDULE], nextPageToken: pageToken === "" ? "nightly" : "" };
    },
    changeSchedule: async ({ name, change, reason }) => {
      state.asked.push(`changeSchedule ${name} ${ScheduleChange[change]} ${reason}`);
      if (change === ScheduleChange.RESUME)
        throw new RpcError("FAILED_PRECONDITION", `schedule "${name}" is not paused`);
      return { runId: change === ScheduleChange.TRIGGER ? "nightly-20260301T020000Z-t7-0" : "" };
    },
    signalRun: async ({ runId, name }) => {
      findRun(state.run, runId);
      state.asked.push(`signalRun ${runId} ${name}`);
      return { runId, status: RunStatus.RUNNING };
    },
    decideApproval: async ({ runId, approved, comment }) => {
      findRun(state.run, runId);
      state.asked.push(`decideApproval ${runId} ${approved ? "approved" : "rejected"} ${comment}`);
      return { runId, status: RunStatus.RUNNING };
    },
    getCounts: async () => ({ workflows: [{ workflow: "films", completedWithFailures: 1n }], rejected: 2n }),
    listWorkflows: async () => ({ workflows: [{ name: "films", actions: ["check"], queues: ["default"] }] }),
    ...rejectedHandlers(state.asked),
    getRetention: async ({ workflow, sweeps }) => {
      state.asked.push(`getRetention ${workflow} ${sweeps}`);
      return {
        workflows: [
          {
            workflow: "films",
            policy: {
              completedRetentionS: 86_400,
              failedRetentionS: 1_209_600,
              deadLetterRetentionS: 2_592_000,
            },
            changed: "changed by ann at 2026-03-01 12:00:00 UTC: disk",
            pruned: [{ queue: "default", counts: [{ status: RunStatus.FAILED, runs: 12n }] }],
          },
        ],
      };
    },
    setRetention: async ({ workflow, policy }) => {
      state.asked.push(`setRetention ${workflow} ${policy?.failedRetentionS ?? "nothing"}`);
      return {};
    },
    moveToDeadLetters: async ({ runId, action, items, itemKeys, reason }) => {
      findRun(state.run, runId);
      state.asked.push(`moveToDeadLetters ${runId} ${action}#${[...items, ...itemKeys].join("+")} ${reason}`);
      return { runId, status: RunStatus.FAILED, items: items.length };
    },
    listDeadLetters: async ({ workflow, queue, modes, runId, pageToken }) => {
      state.asked.push(`listDeadLetters ${workflow} ${queue} ${modes.join("+")} ${runId}`);
      return pageToken === "" ? { letters: SAMPLE_LETTERS, nextPageToken: "more" } : {};
    },
    discardDeadLetters: async ({ runId, action, items, itemKeys, reason }) => {
      findRun(state.run, runId);
      state.asked.push(
        `discardDeadLetters ${runId} ${action}#${[...items, ...itemKeys].join("+")} ${reason}`,
      );
      return { runId, status: RunStatus.FAILED, items: items.length };
    },
    watchAttention: async function* ({ workflow }) {
      state.asked.push(`watchAttention ${workflow}`);
      yield {};
      yield {
        attention: {
          kind: AttentionKind.MANUAL,
          runId: "import-1",
          message: "run import-1 failed: look at it",
        },
      };
    },
    listAttention: async ({ workflow }) => {
      state.asked.push(`listAttention ${workflow}`);
      if (workflow === "quiet") return {};
      return {
        attentions: [
          { kind: AttentionKind.STUCK, runId: "import-2", message: "run import-2 does not move" },
          { kind: AttentionKind.BREAKER_OPEN, message: "films/load: breaker open" },
        ],
        more: workflow === "films",
      };
    },
    check: async function* () {
      yield {
        checkedRuns: 2n,
        checkedItems: 40n,
        breaches: state.breaches,
        foundBreaches: BigInt(state.breaches.length),
      };
      yield { checkedRuns: 2n, checkedItems: 40n, foundBreaches: BigInt(state.breaches.length), done: true };
    },
    putArtifact: async (requests) => {
      let size = 0n;
      for await (const { part } of requests) if (part.case === "data") size += BigInt(part.value.length);
      return { size };
    },
    describeCluster: async () => ({
      version: "0.1.0",
      partitions: [
        {
          partition: 0,
          state: "owner",
          openBreakers: 1,
          heldActions: 12,
          problem: state.run.failure?.mode === FailureMode.SYSTEM_CRASH ? "stopped" : "",
        },
      ],
    }),
  };
}
