/** Bulk retry over gRPC: every run that matched is accounted for, also when two operators do it at once. */
import {
  FailureMode,
  type RetryFailedRequest,
  type RetryOutcome,
  RetryResultKind,
  RunStatus,
} from "@holdfast/proto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RetryFailedRequestSchema } from "@holdfast/proto";
import {
  ActionError,
  createWorker,
  type FailureModeName,
  type Holdfast,
  typed,
  workflow,
} from "@holdfast/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Admin, System } from "../support/system.js";
import { until, within } from "../support/wait.js";

const RUNS = 300;

let broken = true;
const job = workflow("job", { input: typed<{ mode: FailureModeName }>() }).action(
  "do",
  { retry: { maxAttempts: 1 } },
  ({ input }) => {
    if (broken) throw new ActionError(input.mode, "it is broken");
    return 1;
  },
);
const calm = workflow("calm").action("do", () => 1);

let system: System;
let admin: Admin;
let client: Holdfast;

beforeAll(async () => {
  system = await System.start();
  client = await system.connect();
  admin = await system.startAdmin();
  const connection = await system.connect("worker");
  const worker = await createWorker({ connection, workflows: [job, calm] });
  system.onStop(async () => {
    await worker.stop();
  });
});
afterAll(() => system.stop());

type Asked = Exclude<MessageInitShape<typeof RetryFailedRequestSchema>, RetryFailedRequest>;

async function retryFailed(
  asked: Asked,
): Promise<{ kinds: Map<string, RetryResultKind>; outcome: RetryOutcome }> {
  const kinds = new Map<string, RetryResultKind>();
  let outcome: RetryOutcome | undefined;
  for await (const { kind } of admin.call.retryFailed(asked)) {
    if (kind.case === "result") {
      expect(kinds.has(kind.value.runId)).toBe(false);
      kinds.set(kind.value.runId, kind.value.kind);
    } else if (kind.case === "outcome") outcome = kind.value;
  }
  if (outcome === undefined) throw new Error("the stream ended without an outcome");
  expect(outcome.matched).toBe(outcome.retried + outcome.raced + outcome.refused);
  expect(BigInt(kinds.size)).toBe(outcome.matched);
  return { kinds, outcome };
}

async function failRuns(prefix: string, count: number, mode: FailureModeName): Promise<string[]> {
  broken = true;
  const runs = await Promise.all(
    Array.from({ length: count }, (_, n) => client.start(job, { mode }, { runId: `${prefix}-${n}` })),
  );
  await within("all to fail", Promise.all(runs.map((run) => run.ended())));
  return runs.map(({ runId }) => runId);
}

const activeJobs = async (): Promise<bigint> => (await client.counts("job")).total.active;

test("two operators at once: each run is retried by one of them, and each counts what it did", async () => {
  const runIds = await failRuns("two", RUNS, "VALIDATION");
  broken = false;
  const [one, two] = await Promise.all([retryFailed({ workflow: "job" }), retryFailed({ runIds })]);
  expect(one.outcome.retried + two.outcome.retried).toBe(BigInt(RUNS));
  expect([one.outcome.refused, two.outcome.refused]).toEqual([0n, 0n]);
  expect(two.outcome.matched).toBe(BigInt(RUNS));
  const by = (kinds: Map<string, RetryResultKind>, runId: string): number =>
    kinds.get(runId) === RetryResultKind.RETRIED ? 1 : 0;
  expect(runIds.filter((runId) => by(one.kinds, runId) + by(two.kinds, runId) !== 1)).toEqual([]);
  await until("all to complete", async () => (await activeJobs()) === 0n);
  const { total } = await client.counts("job");
  expect(total).toMatchObject({ completed: BigInt(RUNS), failed: 0n, retried: BigInt(RUNS) });
  for (const runId of runIds.slice(0, 20)) expect((await client.get(runId)).summary?.generation).toBe(2);
});

test("what needs a person is refused, unless forced; the rest of a selection is retried", async () => {
  const [good] = await failRuns("soft", 1, "NETWORK");
  const [policy] = await failRuns("hard", 1, "POLICY_SECURITY");
  broken = false;
  const dry = await retryFailed({ workflow: "job", dryRun: true });
  expect(dry.outcome).toMatchObject({ matched: 2n, retried: 1n, refused: 1n, dryRun: true });
  const outcome = await retryFailed({ runIds: [good ?? "", policy ?? "", good ?? "", "no-such-run"] });
  expect(outcome.outcome).toMatchObject({ matched: 3n, retried: 1n, raced: 0n, refused: 2n });
  expect(outcome.kinds.get(policy ?? "")).toBe(RetryResultKind.REFUSED);
  expect(outcome.outcome.refusedReasons.map(({ count }) => count)).toEqual([1n, 1n]);
  const forced = await retryFailed({ workflow: "job", modes: [FailureMode.POLICY_SECURITY], force: true });
  expect(forced.outcome).toMatchObject({ matched: 1n, retried: 1n });
  await until("all to complete", async () => (await activeJobs()) === 0n);
  expect((await client.counts("job")).total.failed).toBe(0n);
});

test("what of a list can be no run id is refused alone; the rest of it is retried", async () => {
  const [one = "", two = ""] = await failRuns("listed", 2, "NETWORK");
  broken = false;
  const { outcome, kinds } = await retryFailed({ runIds: [one, "a/b", two, "\u0007", one] });
  expect(outcome).toMatchObject({ matched: 4n, retried: 2n, raced: 0n, refused: 2n });
  expect(outcome.refusedReasons).toMatchObject([{ reason: "not a run id", count: 2n }]);
  expect([kinds.get(one), kinds.get(two)]).toEqual([RetryResultKind.RETRIED, RetryResultKind.RETRIED]);
  await until("all to complete", async () => (await activeJobs()) === 0n);
  expect((await client.counts("job")).total.failed).toBe(0n);
});

test("what has completed meanwhile is raced, not retried", async () => {
  const [runId = ""] = await failRuns("raced", 1, "NETWORK");
  broken = false;
  await client.retry(runId);
  expect((await within("it to heal", client.wait(runId))).status).toBe(RunStatus.COMPLETED);
  const { outcome, kinds } = await retryFailed({ runIds: [runId] });
  expect(outcome).toMatchObject({ matched: 1n, raced: 1n, retried: 0n, refused: 0n });
  expect(kinds.get(runId)).toBe(RetryResultKind.RACED);
});

test("a limit is kept, and said to have cut", async () => {
  await failRuns("many", 10, "NETWORK");
  broken = false;
  const { outcome } = await retryFailed({ workflow: "job", limit: 4 });
  expect(outcome).toMatchObject({ matched: 4n, retried: 4n, limited: true });
  expect((await retryFailed({ workflow: "job" })).outcome).toMatchObject({ retried: 6n, limited: false });
});

test.each([
  [{}, /no selector was given/],
  [{ workflow: "job", runIds: ["a"] }, /workflow and run_ids were given together/],
])("exactly one selector: %j is refused, and named", async (asked, message) => {
  const error = await retryFailed(asked).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(String(error)).toMatch(message);
});
