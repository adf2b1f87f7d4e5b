/** Jobs that are a whole action, and what is refused of what is said of jobs. */
import {
  BatchReportSchema,
  CheckpointStepSchema,
  Encoding,
  FailureMode,
  ItemStatus,
  type Outcome,
  PayloadSchema,
  RejectCode,
  RunEventType,
  RunStatus,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { BATCH_RESULTS_A_COMMAND_MAX } from "../limits.js";
import { resultOf, results } from "../testing/batch-moves.js";
import {
  action,
  batch,
  BATCH,
  command,
  define,
  failed,
  failure,
  inline,
  json,
  overInput,
  report,
  retry,
  retryPolicy,
  start,
  succeeded,
  UNDO,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { JobScript } from "../testing/job-script.js";
import { TestPartition } from "../testing/partition.js";

const rows = (count: number): Uint8Array[] => Array.from({ length: count }, (_, row) => json({ row }));
const TWICE = retryPolicy({ maxAttempts: 2, initialBackoffMs: 100, jitterMilli: 0 });

let partition: TestPartition;
let job: JobScript;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
});

/** load (in jobs) → report */
function begin(count: number, fields: Parameters<typeof action>[1] = {}): void {
  const load = action("load", { forEach: overInput("/rows"), retry: TWICE, batch: BATCH, ...fields });
  partition.append(batch([define(workflow("w", [load, action("report", { after: ["load"] })]))]));
  partition.send(start("r", "w"));
  partition.load("r", "load", rows(count));
  job = new JobScript(partition, "r", "load");
}
function beginWhole(fields: Parameters<typeof action>[1] = {}): void {
  partition.append(
    batch([define(workflow("w", [action("load", { retry: TWICE, batch: BATCH, ...fields })]))]),
  );
  partition.send(start("r", "w", { input: inline(1) }));
  job = new JobScript(partition, "r", "load");
}
const good = (item: number) => resultOf(item, succeeded({ item }));
const bad = (item: number, mode = FailureMode.VALIDATION) => resultOf(item, failed(mode, `item ${item}`));
const items = (): string[] => {
  const { bound = 0 } = partition.action("r", "load").items ?? {};
  return Array.from({ length: bound }, (_, i) => ItemStatus[partition.itemStatus("r", "load", i)]);
};
const detail = (): string => partition.action("r", "load").detail?.text ?? "";
const status = (): string => partition.status("r", "load");
const runStatus = (): string => RunStatus[partition.run("r").status];
const events = (type: RunEventType): string[] =>
  (partition.events.get("r") ?? []).filter((event) => event.type === type).map((event) => event.detail);
const refused = (result: Outcome["result"]): string =>
  result.case === "rejected" ? `${RejectCode[result.value.code]}: ${result.value.message}` : "it was not";

describe("a job that is the whole action", () => {
  test("ends it with its output; what was completed can be undone", () => {
    beginWhole({ undo: UNDO });
    job.submit("j");
    expect(detail()).toBe("batch job j: not done yet");
    job.check({ progress: "row 7" });
    expect(detail()).toBe("batch job j: not done yet; row 7");
    const { value } = succeeded({ rows: 7 });
    job.check({ done: true, success: value as never });
    expect([runStatus(), status(), detail()]).toEqual(["COMPLETED", "COMPLETED", "completed"]);
    expect(partition.action("r", "load").output).toEqual(inline({ rows: 7 }));
  });

  test("that failed is submitted again as a new one, as the policy has it", () => {
    beginWhole();
    for (const name of ["a", "b"]) {
      job.submit(name);
      job.check({ done: true, error: failure(FailureMode.UNAVAILABLE, `${name} broke`) });
      checkPartition(partition);
      partition.pass(200);
    }
    expect([runStatus(), detail()]).toEqual(["FAILED", "UNAVAILABLE: b broke"]);
    expect(partition.action("r", "load").batch?.job).toBe(2);
  });

  test("a submit that is made again has the same number and its steps; the next job has neither", () => {
    beginWhole();
    const step = (index: number) =>
      partition.send(
        command({
          case: "checkpointStep",
          value: init(CheckpointStepSchema, {
            runId: "r",
            action: 0,
            attempt: job.attempt,
            index,
            name: `s${index}`,
          }),
        }),
      );
    expect(step(0).case).toBe("accepted");
    job.report(failed(FailureMode.NETWORK));
    partition.pass(200);
    expect(partition.action("r", "load").batch).toMatchObject({ job: 1, steps: 1 });
    job.report(failed(FailureMode.NETWORK));
    partition.control(retry("r"));
    expect(partition.action("r", "load").batch).toMatchObject({ job: 1, steps: 1 });
    job.submit();
    job.check({ done: true, error: failure(FailureMode.NETWORK) });
    partition.pass(200);
    expect(partition.action("r", "load").batch).toMatchObject({ job: 2, steps: 0 });
  });
});

describe("what is refused", () => {
  beforeEach(() => begin(3));

  test("results of anything but the current check", () => {
    expect(refused(job.bring([good(0)]))).toContain('STALE_ATTEMPT: attempt 1 of run "r", action 0 is not');
    job.submit();
    job.untilCheck();
    expect(refused(job.bring([good(0)], 1))).toContain("STALE_ATTEMPT");
    const elsewhere = { action: 1, attempt: 1, results: [good(0)] };
    expect(refused(partition.send(results("r", elsewhere)))).toContain("STALE_ATTEMPT");
    expect(refused(partition.send(results("nobody", elsewhere)))).toContain("STALE_ATTEMPT");
    expect(items()).toEqual(["RUNNING", "RUNNING", "RUNNING"]);
  });

  test("results of no item of the job; the first result of an item counts", () => {
    job.submit();
    job.untilCheck();
    expect(job.bring([good(0), bad(0), good(70_000)])).toMatchObject({
      case: "accepted",
      value: { items: 1 },
    });
    expect(refused(job.bring([bad(0), good(9)]))).toBe(
      'NO_SUCH_RESULT: attempt 2 of run "r", action 0: none of these 2 results (items 0, 9) is of an item that the job still works on: nothing was changed',
    );
    expect(refused(job.bring([]))).toContain("NO_SUCH_RESULT");
    expect(items()).toEqual(["SUCCEEDED", "RUNNING", "RUNNING"]);
    job.report(failed(FailureMode.NETWORK));
    job.check({ done: true, results: [good(1), good(2)] });
    expect(events(RunEventType.BATCH_ENDED)).toEqual([
      "batch job job-1 is done: 3 of 3 items have a result; 2 results changed nothing",
    ]);
  });

  test("too many results at once", () => {
    job.submit();
    job.untilCheck();
    const many = Array.from({ length: BATCH_RESULTS_A_COMMAND_MAX + 1 }, (_, i) => good(i));
    expect(refused(job.bring(many))).toContain(
      'TOO_LARGE: attempt 2 of run "r", action 0 brings 1001 results',
    );
    // The last one does not fit: item 2 has no result, and is told why; the others are done.
    job.check({ done: true, results: [good(0), good(1), ...many.slice(3), good(2)] });
    expect(items().slice(0, 2)).toEqual(["SUCCEEDED", "SUCCEEDED"]);
    expect(items()[2]).not.toBe("SUCCEEDED");
    expect(partition.itemRecord("r", "load", 2)?.failure?.message).toContain(
      "the check's report holds 1001 results; the first 1000 count",
    );
  });

  test("reports that are not of what was asked for are failures that say so", () => {
    job.report(succeeded("inline after all"));
    expect(partition.itemRecord("r", "load", 0)?.failure?.message).toBe(
      "the worker's report says nothing of the job, but a submit or a check must",
    );
    expect(status()).toBe("FAILED");
    partition.control(retry("r"));
    job.submit("x".repeat(5_000));
    expect(partition.itemRecord("r", "load", 0)?.failure?.message).toContain("at most 4096 bytes");
  });

  test.each([
    ["of another encoding", Encoding.BYTES, "the job's handle is not JSON"],
    ["that is no UTF-8", Encoding.UNSPECIFIED, "it is not usable JSON: it is not UTF-8"],
  ])("a handle %s is a failure that says so, and stops nothing", (_, encoding, why) => {
    const value = init(PayloadSchema, {
      body: { case: "inline", value: Uint8Array.of(0x22, 0xff, 0x22) },
      encoding,
    });
    job.report({
      case: "batch",
      value: init(BatchReportSchema, { step: { case: "submitted", value } }),
    });
    expect(partition.itemRecord("r", "load", 0)?.failure?.message).toContain(why);
    expect(status()).toBe("FAILED");
  });

  test("inline reports of a job's items", () => {
    const answer = partition.send(report("r", { action: 0, item: 0, attempt: 1, outcome: succeeded() }));
    expect(refused(answer)).toContain("STALE_ATTEMPT");
    expect(items()[0]).toBe("RUNNING");
  });
});
