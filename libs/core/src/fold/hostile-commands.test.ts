/** What senders may get wrong, by accident or on purpose: each gets a clear answer, nothing else is disturbed, nothing throws. */
import {
  AppliedRecordSchema,
  type Command,
  CommandBatchSchema,
  FailureMode,
  type Outcome,
  PayloadSchema,
  RejectCode,
  RunStatus,
  TaskSuccessSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { DETAIL_CHARS_MAX, OWNER_STAMP_STEP_MAX } from "../limits.js";
import { appliedKey, latestKey, runKey } from "../state/tables.js";
import {
  action,
  batch,
  cancel,
  command,
  define,
  failure,
  json,
  loaded,
  ONE_ATTEMPT,
  overInput,
  ownerStamp,
  report,
  retry,
  start,
  succeeded,
  timersFired,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { differences, MemoryView } from "../testing/memory-view.js";
import { EPOCH_NS, foldLogEntry, MS, TestPartition } from "../testing/partition.js";
import { prefetch } from "./fold.js";

const ONE = workflow("one", [action("a", { retry: ONE_ATTEMPT })]);
const ITEMS = workflow("items", [action("a", { forEach: overInput("", 2), retry: ONE_ATTEMPT })]);

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
  partition.append(batch([define(ONE), define(ITEMS)]));
});

const begin = (runId = "r", name = "one"): void => {
  expect(partition.send(start(runId, name)).case).toBe("accepted");
};

function expectRejected(result: Outcome["result"], code: RejectCode): string {
  expect(result.case).toBe("rejected");
  if (result.case !== "rejected") return "";
  expect(RejectCode[result.value.code]).toBe(RejectCode[code]);
  expect(result.value.message.length).toBeLessThanOrEqual(DETAIL_CHARS_MAX);
  expect(result.value.message).toMatch(/^[\x20-\x7e…“”]*$/);
  return result.value.message;
}

/** Sends it and sees that nothing but the place in the log has changed. */
function expectNoTrace(send: () => Outcome["result"]): Outcome["result"] {
  const before = partition.view.dump();
  const result = send();
  expect(differences(before, partition.view.dump())).toEqual([appliedKey]);
  return result;
}

const BAD_IDS = ["", ".", "*", ">", "/", "..", "a\0b", "名前", "Ł", "\u{1f9e8}", "x".repeat(10_000)];

describe("a run id that can't be one", () => {
  test.each(BAD_IDS.map((id) => [JSON.stringify(id).slice(0, 20), id]))("%s", (_, id) => {
    begin();
    expectRejected(
      expectNoTrace(() => partition.send(start(id, "one"))),
      RejectCode.INVALID_NAME,
    );
    expectRejected(
      expectNoTrace(() => partition.send(start("ok", id))),
      RejectCode.INVALID_NAME,
    );
    expectRejected(
      expectNoTrace(() => partition.send(report(id, { outcome: succeeded() }))),
      RejectCode.STALE_ATTEMPT,
    );
    expectRejected(partition.control(retry(id)), RejectCode.RUN_NOT_FOUND);
    expectRejected(partition.control(cancel(id)), RejectCode.RUN_NOT_FOUND);
    expect(partition.asOwner(loaded(id, { items: [json(1)] }))).toEqual([]);
    const keys = new Set<string>();
    prefetch(
      batch([
        start(id, id, { definitionHash: id }),
        report(id, { item: 5 }),
        command(retry(id), { id: " " }),
        loaded(id, {}),
      ]),
      init(AppliedRecordSchema, { tombstones: 1n }),
      keys,
    );
    expect([...keys]).toEqual([]);
    checkPartition(partition);
  });
});

describe("a report", () => {
  beforeEach(() => begin());
  test("of any attempt but the current one changes nothing and says so", () => {
    for (const fields of [
      { attempt: 0 },
      { attempt: 2 },
      { action: 1 },
      { action: 65_536 },
      { item: 0 },
      { action: 4_294_967_295, item: 4_294_967_295 },
    ])
      expectRejected(
        expectNoTrace(() => partition.send(report("r", { outcome: succeeded(), ...fields }))),
        RejectCode.STALE_ATTEMPT,
      );
    partition.finish("r", "a", succeeded());
    expectRejected(
      expectNoTrace(() => partition.send(report("r", { outcome: succeeded() }))),
      RejectCode.STALE_ATTEMPT,
    );
  });
  test.each([
    ["that says nothing", { case: undefined }],
    [
      "of a stored payload",
      {
        case: "success",
        value: init(TaskSuccessSchema, {
          output: init(PayloadSchema, { body: { case: "stored", value: 1 } }),
        }),
      },
    ],
    [
      "that skips what is no item",
      { case: "skip", value: { $typeName: "holdfast.v1.TaskSkip", reason: "" } },
    ],
  ] as const)("%s is a failure that says so, by whom and when", (_, outcome) => {
    partition.finish("r", "a", outcome);
    const { failure: kept } = partition.action("r", "a");
    expect(kept).toMatchObject({
      mode: FailureMode.HANDLER_BUG,
      worker: "worker-test",
      attempt: 1,
      atNs: partition.nowNs,
    });
    expect(kept?.message).not.toBe("");
  });
  test("can't hide a terminal mode behind counts of its own", () => {
    const modes = [{ $typeName: "holdfast.v1.ModeCount" as const, mode: FailureMode.NETWORK, count: 1 }];
    partition.finish("r", "a", {
      case: "failure",
      value: failure(FailureMode.POLICY_SECURITY, "no", { modes }),
    });
    expectRejected(partition.control(retry("r")), RejectCode.TERMINAL_MODE);
  });
  test("is cut to what is kept, and only the owner says who else failed", () => {
    const long = "x".repeat(100_000);
    partition.finish("r", "a", {
      case: "failure",
      value: failure(FailureMode.CONFLICT, long, {
        shown: long,
        stack: long,
        code: long,
        rawClass: long,
        source: 4,
      }),
    });
    expect(partition.view.dump().get(runKey("r"))?.length).toBeLessThan(40_000);
    expect(partition.action("r", "a").failure?.source).toBe(1);
  });
});

describe("items", () => {
  beforeEach(() => begin("r", "items"));
  const load = (fields: Parameters<typeof loaded>[1]): void => {
    partition.asOwner(loaded("r", fields));
  };
  test("that are not the next ones are passed over", () => {
    load({ items: [json(1)], firstIndex: 1 });
    load({ items: [json(1)], generation: 2 });
    load({ items: [json(1)], action: 7 });
    load({ items: [json(1)], firstIndex: 0xffff_ffff });
    expect(partition.counts("r", "a").total).toBe(0);
    load({ items: [json(1), json(2)] });
    load({ items: [json(1), json(2)] });
    expect(partition.counts("r", "a")).toMatchObject({ total: 2, running: 2 });
    load({ items: [], firstIndex: 2, last: true });
    load({ items: [json(3)], firstIndex: 2, last: true });
    expect(partition.counts("r", "a").total).toBe(2);
    checkPartition(partition);
  });
  test("come from the owner only", () => {
    expectRejected(partition.send(loaded("r", { items: [json(1)] })), RejectCode.UNSUPPORTED);
    expectRejected(partition.send(timersFired(2n ** 64n - 1n)), RejectCode.UNSUPPORTED);
  });
  test("that could not be had fail the action, with a reason, and keep what had succeeded", () => {
    load({ items: [json(1), json(2)] });
    partition.finish("r", "a", succeeded(), 0);
    load({ firstIndex: 2, failure: failure(FailureMode.VALIDATION, "the input is no array") });
    expect(partition.status("r", "a")).toBe("FAILED");
    expect(partition.counts("r", "a")).toMatchObject({ succeeded: 1, cancelled: 1 });
    expect(partition.action("r", "a").detail?.text).toBe("the input is no array");
    expect(partition.open.size).toBe(0);
  });
  test("beyond their limits fail the action", () => {
    load({ items: [new Uint8Array(256 * 1024 + 1)], last: true });
    expect(partition.action("r", "a").failure?.message).toMatch(/item 0 .* 262145 bytes/);
  });
});

describe("the owner's stamp", () => {
  test("is that of the current epoch, and each counts once", () => {
    begin("r", "items");
    const old = batch([loaded("r", { items: [json(1)] })], { owner: ownerStamp(1n, 1n) });
    partition.append(old);
    expect(partition.counts("r", "a").total).toBe(1);
    for (const stamp of [
      ownerStamp(1n, 1n),
      ownerStamp(0n, 9n),
      ownerStamp(2n, 1n),
      ownerStamp(2n ** 64n - 1n, 1n),
    ])
      partition.append(batch([loaded("r", { firstIndex: 1, items: [json(2)] })], { owner: stamp }));
    expect(partition.counts("r", "a").total).toBe(1);
  });
  test("may be ahead of the last one by a little only: the numbers are not used up by one that is not the owner's", () => {
    begin("r", "items");
    const at = (n: bigint, firstIndex: number): void => {
      const items = [json(firstIndex)];
      partition.append(batch([loaded("r", { firstIndex, items })], { owner: ownerStamp(1n, n) }));
    };
    at(2n ** 64n - 1n, 0);
    at(OWNER_STAMP_STEP_MAX + 1n, 0);
    expect(partition.counts("r", "a").total).toBe(0);
    at(OWNER_STAMP_STEP_MAX, 0);
    at(OWNER_STAMP_STEP_MAX + 2n, 1);
    expect(partition.counts("r", "a").total).toBe(2);
  });
  test("can't be jumped ahead to shut every later owner out", () => {
    partition.announce("thief", 2n ** 64n - 1n);
    partition.announce("", 2n);
    expect(partition.view.get(appliedKey)).toMatchObject({ owner: "workflow-test", ownerEpoch: 1n });
    partition.announce("workflow-next", 2n);
    expect(partition.view.get(appliedKey)).toMatchObject({
      owner: "workflow-next",
      ownerEpoch: 2n,
      ownerN: 0n,
    });
  });
});

describe("a definition", () => {
  test("does not become the latest of a name under another's hash", () => {
    const hash = partition.view.get(latestKey("one"))?.hash ?? "";
    expectRejected(
      expectNoTrace(() => partition.send(define(workflow("items", [action("evil")]), hash))),
      RejectCode.INVALID_DEFINITION,
    );
    for (const bad of ["", "Ł", "x".repeat(32), hash.toUpperCase()])
      expectRejected(
        expectNoTrace(() => partition.send(define(workflow("w", [action("a")]), bad))),
        RejectCode.INVALID_DEFINITION,
      );
  });
  test("says what is wrong with it, in a bounded sentence", () => {
    const dangling = workflow("w", [action("a", { after: ["x".repeat(5000)] })]);
    expect(expectRejected(partition.send(define(dangling)), RejectCode.INVALID_DEFINITION)).toContain(
      "which the workflow does not have",
    );
    expectRejected(
      partition.send(
        command({ case: "defineWorkflow", value: { $typeName: "holdfast.v1.DefineWorkflow", hash: "" } }),
      ),
      RejectCode.MALFORMED,
    );
  });
  test("sent again changes nothing; a run keeps the one it began with", () => {
    begin();
    expectNoTrace(() => partition.send(define(ONE)));
    partition.send(define(workflow("one", [action("b"), action("c")])));
    partition.finish("r", "a", succeeded());
    expect(RunStatus[partition.run("r").status]).toBe("COMPLETED");
    begin("s");
    expect(partition.inFlight("s")).toEqual(["b", "c"]);
  });
});

test("what nobody can be told of, nobody is: an inbox that is no subject is nobody's", () => {
  for (const replyInbox of ["", "a b", "a.*", ">", "a..b", ".a", "a.", "é", "x".repeat(257)]) {
    const sent = command(start(`r${replyInbox.length}`, "one", { notifyEnd: true }).kind, {
      correlation: 7n,
    });
    expect(partition.append(batch([sent], { replyInbox }))).toEqual([]);
  }
  expect(
    partition.append(
      batch([command(start("s", "one").kind, { correlation: 7n })], { replyInbox: "_INBOX.A-b_9$.x" }),
    ),
  ).toHaveLength(1);
});

test("two TimersFired in one entry fire a timer once", () => {
  partition.send(start("r", "one", { startAtNs: partition.nowNs + 10n * MS }));
  partition.nowNs += 20n * MS;
  partition.asOwner(timersFired(partition.nowNs), timersFired(2n ** 64n - 1n));
  expect(partition.inFlight("r")).toEqual(["a"]);
  checkPartition(partition);
});

test("any bytes that decode as commands are folded without a throw", () => {
  const kinds = [
    "defineWorkflow",
    "startRun",
    "taskReport",
    "retryRun",
    "cancelRun",
    "itemsLoaded",
    "timersFired",
    "announceOwner",
    "checkpointStep",
  ];
  const lengthDelimited = (field: number, body: Uint8Array): Uint8Array => {
    const tag = (field << 3) | 2;
    const head = tag < 128 ? [tag] : [(tag & 0x7f) | 0x80, tag >> 7];
    return Uint8Array.from([
      ...head,
      ...(body.length < 128 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >> 7]),
      ...body,
    ]);
  };
  let folded = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 10, max: 10 + kinds.length }), fc.uint8Array({ maxLength: 40 })), {
        maxLength: 4,
      }),
      (drawn) => {
        let decoded: ReturnType<typeof decode<typeof CommandBatchSchema>>;
        const bytes = drawn.flatMap(([field, body]) => [...lengthDelimited(4, lengthDelimited(field, body))]);
        try {
          decoded = decode(CommandBatchSchema, Uint8Array.from(bytes));
        } catch {
          return;
        }
        folded += decoded.commands.length;
        foldLogEntry(new MemoryView(), {
          seq: 1,
          atNs: EPOCH_NS,
          bytes: encode(CommandBatchSchema, decoded),
        });
      },
    ),
    { numRuns: 3000 },
  );
  expect(folded).toBeGreaterThan(100);
});

test("an unknown kind of command is rejected, so that its sender knows", () => {
  const sent: Command = command({ case: undefined }, { correlation: 3n });
  const [outcome] = partition.append(batch([sent]));
  expectRejected(outcome?.result ?? { case: undefined }, RejectCode.UNSUPPORTED);
});
