/** Messages between partitions: applied once and in order however they come, kept until they have arrived, bad ones refused. */
import {
  type Outcome,
  type PartitionMessage,
  RejectCode,
  RunStatus,
  StartRequestedSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import * as fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { MESSAGES_A_COMMAND_MAX } from "../limits.js";
import { partitionOf } from "../names.js";
import { outboxKey, receivedMarkKey, runKey, sentMarkKey } from "../state/tables.js";
import {
  action,
  batch,
  command,
  define,
  delivered,
  delivery,
  failed,
  ONE_ATTEMPT,
  requestStart,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { MemoryView } from "../testing/memory-view.js";
import { foldLogEntry, TestPartition } from "../testing/partition.js";

const ONE = workflow("one", [action("a", { retry: ONE_ATTEMPT })]);
const PARTITIONS = 3;
/** A run id for each partition. */
const at = (to: number, salt = ""): string => {
  for (let i = 0; ; i++) if (partitionOf(`p${salt}${i}`, PARTITIONS) === to) return `p${salt}${i}`;
};

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition(0, PARTITIONS);
  partition.announce();
  partition.append(batch([define(ONE)]));
});

const rejected = (result: Outcome["result"]): string =>
  result.case === "rejected" ? `${RejectCode[result.value.code]}: ${result.value.message}` : `${result.case}`;
const receive = (kinds: PartitionMessage["kind"][], fields: Parameters<typeof delivery>[1] = {}): string =>
  rejected(partition.send(delivery(kinds, fields)));
const request = (n: number): PartitionMessage["kind"] => requestStart(`run-${n}`, "one", at(1));
const runsBegun = (): number[] =>
  partition.view
    .keysOf("r")
    .map((key) => ({ n: Number(key.slice(5)), seq: partition.run(key.slice(1)).startSeq }))
    .sort((a, b) => Number(a.seq - b.seq) || a.n - b.n)
    .map(({ n }) => n);
/** All messages in the outbox for a partition, in order. */
const outbox = (to: number): (string | undefined)[] => {
  const mark = partition.view.get(sentMarkKey(to));
  const kinds: (string | undefined)[] = [];
  for (let n = (mark?.delivered ?? 0n) + 1n; n <= (mark?.n ?? 0n); n++)
    kinds.push(partition.view.get(outboxKey(to, n))?.message?.kind.case);
  return kinds;
};

describe("what is received", () => {
  test("is applied once, whatever is sent again", () => {
    expect(receive([request(1), request(2)])).toBe("accepted");
    expect(receive([request(1), request(2)])).toBe("accepted");
    expect(receive([request(2), request(3)], { firstN: 2n, stored: 0n })).toBe("accepted");
    expect(runsBegun()).toEqual([1, 2, 3]);
    expect(partition.view.get(receivedMarkKey(0))?.n).toBe(3n);
  });

  test("waits for what comes before it, and the answer says from where", () => {
    expect(receive([request(3)], { firstN: 3n, stored: 0n })).toMatch(/^MESSAGE_GAP: .* 1 is the next/);
    expect(runsBegun()).toEqual([]);
    expect(partition.effects.some((effect) => effect.kind === "message-trouble")).toBe(true);
  });

  test("is counted for each sender apart", () => {
    receive([request(1)], { from: 0 });
    receive([request(2)], { from: 1 });
    receive([request(3)], { from: 1, firstN: 2n });
    expect(runsBegun()).toEqual([1, 2, 3]);
  });

  test("counts anew where the sender's log was made anew, and nothing of the old one counts then", () => {
    receive([request(1), request(2)], { incarnation: 5n });
    expect(receive([request(3)], { incarnation: 6n })).toBe("accepted");
    expect(receive([request(4)], { incarnation: 5n, firstN: 3n })).toMatch(/^STALE_SENDER/);
    expect(runsBegun()).toEqual([1, 2, 3]);
  });

  test("goes on where this log has lost what it had, and that is said with its number", () => {
    expect(receive([request(8)], { firstN: 8n })).toBe("accepted");
    expect(partition.effects).toContainEqual(
      expect.objectContaining({ kind: "message-trouble", from: 0, lost: 7n }),
    );
    expect(runsBegun()).toEqual([8]);
  });

  test("does not hold up the rest where it is of a kind that is not known", () => {
    expect(receive([{ case: undefined }, request(2)])).toBe("accepted");
    expect(partition.effects).toContainEqual(expect.objectContaining({ kind: "message-trouble", lost: 1n }));
    expect(runsBegun()).toEqual([2]);
  });

  test.each([
    ["of no partition", { from: PARTITIONS }, /there is no partition 3/],
    ["without any", { messages: [] }, /0 at once/],
    ["numbered from 0", { firstN: 0n, stored: 0n }, /begin at 1/],
    ["that contradicts itself", { firstN: 2n, stored: 2n }, /said to be stored/],
    ["beyond all numbers", { firstN: 2n ** 64n - 1n, stored: 0n }, /no such numbers/],
    [
      "after more than any log held",
      { firstN: 2n ** 50n + 1n, stored: 2n ** 50n },
      /no log has held so many/,
    ],
    ["of a log that is yet to be made", { incarnation: 2n ** 63n }, /made later than now/],
  ])("is refused where it is a delivery %s", (_what, fields, why) => {
    expect(receive([request(1)], fields)).toMatch(/^MALFORMED/);
    expect(receive([request(1)], fields)).toMatch(why);
    expect(runsBegun()).toEqual([]);
  });

  test("is not shut out by a delivery that nobody's log can have made", () => {
    receive([request(1)]);
    receive([request(9)], { incarnation: 2n ** 64n - 1n });
    receive([request(9)], { firstN: 2n ** 63n, stored: 2n ** 63n - 1n });
    expect(receive([request(2)], { firstN: 2n })).toBe("accepted");
    expect(runsBegun()).toEqual([1, 2]);
  });

  test("is refused where it is more than may come at once", () => {
    const many = Array.from({ length: MESSAGES_A_COMMAND_MAX + 1 }, (_, i) => request(i));
    expect(receive(many)).toMatch(/^MALFORMED: .*1001 at once/);
  });
});

test("from a sender that repeats, reorders and forgets, everything is applied once and in order (I12)", () => {
  const slices = fc.array(
    fc.record({ skip: fc.nat(6), count: fc.integer({ min: 1, max: 4 }), from: fc.nat(PARTITIONS - 1) }),
    { minLength: 1, maxLength: 40 },
  );
  fc.assert(
    fc.property(slices, (drawn) => {
      partition = new TestPartition(0, PARTITIONS);
      partition.announce();
      partition.append(batch([define(ONE)]));
      const marks = [0, 0, 0];
      for (const { skip, count, from } of drawn) {
        const mark = marks[from] as number;
        // From anywhere about what is next: before it, at it, beyond it.
        const first = Math.max(1, mark + skip - 3);
        const kinds = Array.from({ length: count }, (_, i) =>
          requestStart(`run-${from * 1000 + first + i}`, "one", at(1)),
        );
        const answer = receive(kinds, {
          from,
          firstN: BigInt(first),
          stored: BigInt(Math.min(mark, first - 1)),
        });
        expect(answer.startsWith("MESSAGE_GAP")).toBe(first > mark + 1);
        if (first <= mark + 1) marks[from] = Math.max(mark, first + count - 1);
      }
      for (const from of [0, 1, 2]) {
        const begun = runsBegun().filter((n) => Math.floor(n / 1000) === from);
        expect(begun).toEqual(Array.from({ length: marks[from] as number }, (_, i) => from * 1000 + i + 1));
      }
      checkPartition(partition);
    }),
    { numRuns: 100 },
  );
});

describe("what is sent", () => {
  const endRuns = (...runs: number[]): void => {
    for (const n of runs) partition.finish(`run-${n}`, "a", succeeded());
  };

  test("is in the outbox of its receiver, numbered without a gap, until it has arrived", () => {
    receive([request(1), request(2), requestStart("run-3", "one", at(2))]);
    endRuns(2, 3, 1);
    expect([outbox(0), outbox(1), outbox(2)]).toEqual([
      [],
      ["requestEnded", "requestEnded"],
      ["requestEnded"],
    ]);
    partition.asOwner(delivered(1, 1n));
    expect(outbox(1)).toHaveLength(1);
    expect(partition.view.get(outboxKey(1, 1n))).toBeUndefined();
    partition.asOwner(delivered(1, 2n), delivered(1, 1n));
    expect([outbox(1), outbox(2)]).toEqual([[], ["requestEnded"]]);
    expect(partition.view.keysOf("o")).toHaveLength(1);
  });

  test("is the same when the log is folded again", () => {
    receive([request(1), request(2)]);
    endRuns(2, 1);
    const again = new MemoryView(new TestPartition(0, PARTITIONS).view.dump());
    for (const entry of partition.log) foldLogEntry(again, entry);
    again.commit();
    expect(again.dump()).toEqual(partition.view.dump());
  });

  test("is let go only by the owner, and only where it was sent", () => {
    receive([request(1)]);
    endRuns(1);
    expect(rejected(partition.send(delivered(1, 1n)))).toMatch(/^UNSUPPORTED/);
    for (const [to, upTo] of [
      [1, 2n],
      [2, 1n],
      [PARTITIONS, 1n],
    ] as const) {
      const [outcome] = partition.asOwner(command(delivered(to, upTo).kind, { correlation: 9n }));
      expect(rejected(outcome?.result ?? { case: undefined })).toMatch(/^MALFORMED: .* was never sent/);
    }
    expect(outbox(1)).toEqual(["requestEnded"]);
  });
});

describe("a requested run", () => {
  const told = (): unknown => {
    const mark = partition.view.get(sentMarkKey(1));
    return partition.view.get(outboxKey(1, mark?.n ?? 0n))?.message?.kind.value;
  };

  test("tells its requester how it ended", () => {
    receive([request(1)]);
    partition.finish("run-1", "a", failed());
    expect(told()).toMatchObject({
      requester: { of: { value: { runId: at(1) } } },
      ended: {
        runId: "run-1",
        status: RunStatus.FAILED,
        failure: { message: expect.stringContaining("it broke") },
      },
      generation: 1,
    });
  });

  test("sends its output whole, however large it is", () => {
    receive([request(1)]);
    partition.finish("run-1", "a", succeeded("x".repeat(5000)));
    const { ended } = told() as { ended: { output: { body: { case: string; value: Uint8Array } } } };
    expect(ended.output.body.case).toBe("inline");
    expect(ended.output.body.value).toHaveLength(5002);
  });

  test("that is there already answers the same requester with its end, and refuses any other", () => {
    receive([request(1)]);
    partition.finish("run-1", "a", succeeded());
    receive([requestStart("run-1", "one", at(1), { attempt: 2 })], { firstN: 2n });
    expect(told()).toMatchObject({ requester: { of: { value: { attempt: 2 } } }, ended: { runId: "run-1" } });
    receive([requestStart("run-1", "one", at(1), { action: 7 })], { firstN: 3n });
    expect(told()).toMatchObject({ code: RejectCode.RUN_EXISTS, runId: "run-1" });
    partition.send(start("mine", "one"));
    receive([requestStart("mine", "one", at(1))], { firstN: 4n });
    expect(told()).toMatchObject({
      code: RejectCode.RUN_EXISTS,
      message: expect.stringContaining("somebody else"),
    });
  });

  test.each([
    ["of an unknown workflow", requestStart("run-1", "nowhere", at(1)), RejectCode.UNKNOWN_WORKFLOW],
    ["of a bad id", requestStart("../run", "one", at(1)), RejectCode.INVALID_NAME],
    ["of a bad name", requestStart("run-1", "*", at(1)), RejectCode.INVALID_NAME],
  ])("%s is refused with a message", (_what, kind, code) => {
    receive([kind]);
    expect(told()).toMatchObject({ code, message: expect.stringMatching(/.{10}/) });
    expect(partition.view.keysOf("r")).toEqual([]);
  });

  test("by nobody is not begun: nobody could be told", () => {
    const bare = init(StartRequestedSchema, {});
    receive([{ case: "startRequested", value: bare }]);
    expect(partition.view.get(runKey(""))).toBeUndefined();
    expect(partition.view.keysOf("o")).toEqual([]);
  });
});
