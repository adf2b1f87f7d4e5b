/** Every transition of a breaker, and what operators may ask of it. */
import { FailureMode, RejectCode } from "@holdfast/proto";

import { expect, test } from "vitest";
import { checkPartition } from "../testing/invariants.js";
import { TestPartition } from "../testing/partition.js";

import {
  scene,
  begin,
  breakerOf,
  statusOf,
  fail,
  succeed,
  change,
  OPEN,
  RESET,
  tripped,
  halfOpen,
} from "../testing/breaker-scene.js";

interface Row {
  readonly from: string;
  readonly when: string;
  readonly to: string;
  readonly play: () => TestPartition;
}

const TABLE: readonly Row[] = [
  {
    from: "CLOSED",
    when: "too few attempts ended",
    to: "CLOSED",
    play: () => {
      const at = scene({ minSamples: 3 });
      begin(at, "a", "b");
      fail(at, "a");
      fail(at, "b");
      return at;
    },
  },
  {
    from: "CLOSED",
    when: "the rate stays below the policy's",
    to: "CLOSED",
    play: () => {
      const at = scene();
      begin(at, "a", "b", "c");
      succeed(at, "a");
      succeed(at, "b");
      fail(at, "c");
      return at;
    },
  },
  {
    from: "CLOSED",
    when: "the rate reaches the policy's",
    to: "OPEN",
    play: () => {
      const at = scene();
      begin(at, "a", "b");
      succeed(at, "a");
      fail(at, "b");
      return at;
    },
  },
  {
    from: "CLOSED",
    when: "failures are not the dependency's",
    to: "CLOSED",
    play: () => {
      const at = scene();
      const modes = [
        FailureMode.VALIDATION,
        FailureMode.NOT_FOUND,
        FailureMode.PARTIAL_STEP_FAILURES,
        FailureMode.HANDLER_BUG,
      ];
      modes.forEach((mode, i) => {
        begin(at, `r${i}`);
        fail(at, `r${i}`, mode);
      });
      return at;
    },
  },
  {
    from: "CLOSED",
    when: "failures are older than the window",
    to: "CLOSED",
    play: () => {
      const at = scene({ failureRateBp: 6_000 });
      begin(at, "a", "b", "c");
      fail(at, "a");
      at.pass(9_000);
      succeed(at, "c");
      at.pass(9_000);
      fail(at, "b");
      return at;
    },
  },
  { from: "OPEN", when: "it was open long enough", to: "HALF_OPEN", play: () => halfOpen(0) },
  {
    from: "OPEN",
    when: "it was not open long enough",
    to: "OPEN",
    play: () => {
      const at = tripped();
      at.pass(900);
      return at;
    },
  },
  {
    from: "OPEN",
    when: "an attempt from before ends well",
    to: "OPEN",
    play: () => {
      const at = scene();
      begin(at, "a", "b", "c");
      fail(at, "a");
      fail(at, "b");
      succeed(at, "c");
      return at;
    },
  },
  {
    from: "HALF_OPEN",
    when: "a probe fails",
    to: "OPEN",
    play: () => {
      const at = halfOpen(2);
      fail(at, "h1");
      return at;
    },
  },
  {
    from: "HALF_OPEN",
    when: "not all probes have ended",
    to: "HALF_OPEN",
    play: () => {
      const at = halfOpen(2, { probes: 2 });
      succeed(at, "h1");
      return at;
    },
  },
  {
    from: "HALF_OPEN",
    when: "a probe says nothing of the dependency",
    to: "HALF_OPEN",
    play: () => {
      const at = halfOpen(2);
      fail(at, "h1", FailureMode.WORKER_LOST);
      return at;
    },
  },
  {
    from: "HALF_OPEN",
    when: "all probes ended well and nothing is held",
    to: "CLOSED",
    play: () => {
      const at = halfOpen(1);
      succeed(at, "h1");
      return at;
    },
  },
  {
    from: "HALF_OPEN",
    when: "all probes ended well and much is held",
    to: "RECOVERING",
    play: () => {
      const at = halfOpen(5);
      succeed(at, "h1");
      return at;
    },
  },
  {
    from: "RECOVERING",
    when: "nothing is held any more",
    to: "CLOSED",
    play: () => {
      const at = halfOpen(5);
      for (const run of ["h1", "h2", "h3"]) succeed(at, run);
      return at;
    },
  },
  {
    from: "RECOVERING",
    when: "a wave fails",
    to: "OPEN",
    play: () => {
      const at = halfOpen(5);
      for (const run of ["h1"]) succeed(at, run);
      fail(at, "h2");
      fail(at, "h3");
      return at;
    },
  },
  {
    from: "CLOSED",
    when: "an operator opens it",
    to: "OPEN",
    play: () => {
      const at = scene();
      expect(change(at, OPEN()).case).toBe("accepted");
      at.pass(86_400_000);
      return at;
    },
  },
  {
    from: "OPEN",
    when: "an operator resets it and nothing is held",
    to: "CLOSED",
    play: () => {
      const at = tripped();
      expect(change(at, RESET).case).toBe("accepted");
      return at;
    },
  },
  {
    from: "OPEN",
    when: "an operator resets it and much is held",
    to: "RECOVERING",
    play: () => {
      const at = tripped();
      begin(at, "h1", "h2", "h3");
      expect(change(at, RESET).case).toBe("accepted");
      return at;
    },
  },
  {
    from: "OPEN",
    when: "an operator's opening for a time is over",
    to: "HALF_OPEN",
    play: () => {
      const at = scene();
      expect(change(at, OPEN(at.nowNs + 5_000_000_000n)).case).toBe("accepted");
      at.pass(5_000);
      return at;
    },
  },
  {
    from: "OPEN",
    when: "an attempt from before fails, too",
    to: "OPEN",
    play: () => {
      const at = scene();
      begin(at, "a", "b", "c");
      for (const run of ["a", "b", "c"]) fail(at, run);
      return at;
    },
  },
  {
    from: "OPEN",
    when: "an operator opens it for good",
    to: "OPEN",
    play: () => {
      const at = tripped();
      expect(change(at, OPEN()).case).toBe("accepted");
      // The time that it was to be open for at first is over.
      at.pass(86_400_000);
      return at;
    },
  },
  {
    from: "HALF_OPEN",
    when: "an attempt that is no probe fails",
    to: "HALF_OPEN",
    play: () => {
      const at = scene();
      begin(at, "a", "b", "late", "h1");
      fail(at, "a");
      fail(at, "b");
      at.pass(1_000);
      fail(at, "late");
      return at;
    },
  },
  {
    from: "HALF_OPEN",
    when: "nothing is heard of its probes for very long",
    to: "HALF_OPEN",
    play: () => {
      const at = halfOpen(2);
      at.pass(3_600_000);
      return at;
    },
  },
  {
    from: "HALF_OPEN",
    when: "an operator opens it",
    to: "OPEN",
    play: () => {
      const at = halfOpen(2);
      expect(change(at, OPEN()).case).toBe("accepted");
      return at;
    },
  },
  {
    from: "HALF_OPEN",
    when: "an operator resets it and nothing is held",
    to: "CLOSED",
    play: () => {
      const at = halfOpen(1);
      expect(change(at, RESET).case).toBe("accepted");
      return at;
    },
  },
  {
    from: "HALF_OPEN",
    when: "an operator resets it and much is held",
    to: "RECOVERING",
    play: () => {
      const at = halfOpen(6);
      expect(change(at, RESET).case).toBe("accepted");
      return at;
    },
  },
  {
    from: "RECOVERING",
    when: "an attempt fails and the rate stays below the policy's",
    to: "RECOVERING",
    play: () => {
      const at = recovering();
      succeed(at, "h2");
      succeed(at, "h3");
      fail(at, "h4");
      return at;
    },
  },
  {
    from: "RECOVERING",
    when: "nothing is heard of a wave for very long",
    to: "RECOVERING",
    play: () => {
      const at = recovering();
      at.pass(299_000);
      return at;
    },
  },
  {
    from: "RECOVERING",
    when: "an operator opens it",
    to: "OPEN",
    play: () => {
      const at = recovering();
      expect(change(at, OPEN()).case).toBe("accepted");
      return at;
    },
  },
  {
    from: "RECOVERING",
    when: "an operator resets it",
    to: "RECOVERING",
    play: () => {
      const at = recovering();
      expect(change(at, RESET).case).toBe("accepted");
      return at;
    },
  },
];

/** With much held, of which a wave of two is out. */
function recovering(): TestPartition {
  const at = halfOpen(12);
  succeed(at, "h1");
  expect(statusOf(at)).toBe("RECOVERING");
  return at;
}

test("each way from state to state, or to stay, is in the table", () => {
  const from = { CLOSED: 2, OPEN: 4, HALF_OPEN: 4, RECOVERING: 3 };
  const ways = (state: string) => new Set(TABLE.filter((row) => row.from === state).map(({ to }) => to)).size;
  expect(Object.keys(from).map((state) => [state, ways(state)])).toEqual(Object.entries(from));
});

test.each(TABLE)("$from, where $when: $to", ({ to, play }) => {
  const partition = play();
  expect(statusOf(partition)).toBe(to);
  checkPartition(partition);
  for (const { atNs, cause } of breakerOf(partition)?.transitions ?? [])
    expect([atNs > 0n, cause !== ""]).toEqual([true, true]);
});

test.each([
  ["an unknown workflow", RESET, { workflow: "nobody" }, RejectCode.NO_SUCH_BREAKER],
  ["an action without a breaker", OPEN(), { action: "nothing" }, RejectCode.NO_SUCH_BREAKER],
  ["no name", RESET, { workflow: "no way" }, RejectCode.INVALID_NAME],
  ["no action's name", RESET, { action: "" }, RejectCode.INVALID_NAME],
  ["too long a key", RESET, { key: "k".repeat(129) }, RejectCode.MALFORMED],
  ["no change", { case: undefined }, {}, RejectCode.MALFORMED],
  ["a time that has passed", OPEN(1n), {}, RejectCode.MALFORMED],
  ["a time too far away", OPEN(2n ** 62n), {}, RejectCode.MALFORMED],
  ["a closed breaker that is to be reset", RESET, {}, RejectCode.BREAKER_CLOSED],
] as const)("a change is refused of %s", (_what, wish, fields, code) => {
  const at = scene();
  expect(change(at, wish, fields)).toMatchObject({ case: "rejected", value: { code } });
  expect(at.view.keysOf("B")).toEqual([]);
});
