/** What the breaker of an external batch action counts of its jobs, one row for each way that a submit, a check or a job ends. */
import { FailureMode, OnOpen, type TaskReport } from "@holdfast/proto";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { checkedJob, resultOf } from "../testing/batch-moves.js";
import { begin, breakerOf, scene } from "../testing/breaker-scene.js";
import {
  type action,
  BATCH,
  cancel,
  failed,
  failure,
  json,
  ONE_ATTEMPT,
  overInput,
  retryPolicy,
  skipped,
  succeeded,
  tolerateCount,
} from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { JobScript } from "../testing/job-script.js";
import { rateBp, type WindowCounts, windowCounts } from "./window.js";

const { UNAVAILABLE, NETWORK, TIMEOUT, RATE_LIMITED, VALIDATION, WORKER_LOST, HANDLER_BUG } = FailureMode;
const PATIENT = retryPolicy({ maxAttempts: 3, initialBackoffMs: 10, jitterMilli: 0 });
const WINDOW_MS = 600_000;
/** Counts, and never opens. */
const COUNTING = { windowMs: WINDOW_MS, minSamples: 1_000, openForMs: 60_000 };

/** A run "a" of one external batch action, over three items unless `whole`. */
function jobs(fields: Parameters<typeof action>[1] = {}, whole = false): JobScript {
  const forEach = whole ? undefined : overInput("/rows");
  const at = scene(COUNTING, { batch: BATCH, retry: PATIENT, forEach, ...fields });
  begin(at, "a");
  if (!whole)
    at.load(
      "a",
      "charge",
      [1, 2, 3].map((row) => json(row)),
    );
  return new JobScript(at, "a", "charge");
}

function counts({ partition }: JobScript): WindowCounts {
  const record = breakerOf(partition);
  return record === undefined ? { ended: 0, failed: 0 } : windowCounts(record, WINDOW_MS, partition.nowNs);
}

const bad = (item: number, mode = UNAVAILABLE) => resultOf(item, failed(mode));
const good = (item: number) => resultOf(item, succeeded({ item }));
const failCheck = (at: JobScript, mode: FailureMode): void => {
  at.untilCheck();
  at.report(failed(mode));
};

const NOTHING = [0, 0] as const;
const GOOD = [1, 0] as const;
const BAD = [1, 1] as const;

type Row = readonly [what: string, ended: readonly [number, number], play: () => JobScript];
const after =
  (play: (at: JobScript) => unknown, fields: Parameters<typeof jobs>[0] = {}) =>
  (): JobScript => {
    const at = jobs(fields);
    play(at);
    return at;
  };
const taken = (play: (at: JobScript) => unknown, fields: Parameters<typeof jobs>[0] = {}) =>
  after((at) => {
    at.submit();
    play(at);
  }, fields);
const ofWhole = (play: (at: JobScript) => unknown) => (): JobScript => {
  const at = jobs({ retry: ONE_ATTEMPT }, true);
  at.submit();
  play(at);
  return at;
};

const TABLE: readonly Row[] = [
  ...[TIMEOUT, NETWORK, RATE_LIMITED, UNAVAILABLE].map(
    (mode): Row => [`a submit fails with ${FailureMode[mode]}`, BAD, after((at) => at.report(failed(mode)))],
  ),
  ["a submit is refused with VALIDATION", GOOD, after((at) => at.report(failed(VALIDATION)))],
  ["a submit is lost with its worker", NOTHING, after((at) => at.report(failed(WORKER_LOST)))],
  ["a submit's handler has a bug", NOTHING, after((at) => at.report(failed(HANDLER_BUG)))],
  ["a submit says nothing of a job", NOTHING, after((at) => at.report(checkedJob({ done: true })))],
  ["a job is taken", GOOD, taken(() => undefined)],
  [
    "a job is checked many times",
    GOOD,
    taken((at) => {
      for (let n = 0; n < 10; n++) at.check({ progress: `${n}` });
    }),
  ],
  ["a check fails with NETWORK", BAD, taken((at) => failCheck(at, NETWORK))],
  [
    "a check fails twice",
    BAD,
    taken((at) => {
      failCheck(at, NETWORK);
      failCheck(at, UNAVAILABLE);
    }),
  ],
  [
    "a check fails, and is answered when it is made again",
    GOOD,
    taken((at) => {
      failCheck(at, NETWORK);
      at.check({});
    }),
  ],
  [
    "a check fails now and then",
    GOOD,
    taken((at) => {
      for (let n = 0; n < 5; n++) {
        failCheck(at, NETWORK);
        at.check({});
      }
    }),
  ],
  ["a check is lost with its worker", GOOD, taken((at) => failCheck(at, WORKER_LOST))],
  ["a check is refused", GOOD, taken((at) => failCheck(at, VALIDATION))],
  [
    "no check gets through for as long as there are attempts",
    BAD,
    taken((at) => {
      for (let n = 0; n < 3; n++) failCheck(at, UNAVAILABLE);
    }),
  ],
  [
    "all items of a job fail as the dependency does",
    BAD,
    taken((at) => at.check({ results: [0, 1, 2].map((item) => bad(item)) })),
  ],
  ["some items of a job succeed", GOOD, taken((at) => at.check({ results: [bad(0), good(1), bad(2)] }))],
  [
    "an item is filtered out, the others fail",
    GOOD,
    taken((at) => at.check({ results: [bad(0), bad(1), resultOf(2, skipped("old"))] })),
  ],
  [
    "an item is refused, the others fail",
    GOOD,
    taken((at) => at.check({ results: [bad(0), bad(1), bad(2, VALIDATION)] })),
  ],
  [
    "all items of a job are refused",
    GOOD,
    taken((at) => at.check({ results: [0, 1, 2].map((item) => bad(item, VALIDATION)) })),
  ],
  [
    "items fail with what says nothing",
    GOOD,
    taken((at) => at.check({ results: [0, 1, 2].map((item) => bad(item, HANDLER_BUG)) })),
  ],
  [
    "a job ends as a whole with RATE_LIMITED",
    BAD,
    taken((at) => at.check({ done: true, error: failure(RATE_LIMITED, "quota") })),
  ],
  [
    "a job ends as a whole, after an item succeeded",
    GOOD,
    taken((at) => {
      at.check({ results: [good(1)] });
      at.check({ done: true, error: failure(UNAVAILABLE, "gone") });
    }),
  ],
  [
    "a job ends as a whole with CONFLICT",
    GOOD,
    taken((at) => at.check({ done: true, error: failure(FailureMode.CONFLICT, "no") })),
  ],
  ["a job ends without a result", GOOD, taken((at) => at.check({ done: true }))],
  [
    "a job's time is over with no result",
    BAD,
    taken((at) => at.partition.pass(5_000), { batch: { ...BATCH, timeoutMs: 5_000n } }),
  ],
  [
    "a job's time is over with a result",
    GOOD,
    taken(
      (at) => {
        at.check({ results: [good(0)] });
        at.partition.pass(5_000);
      },
      { batch: { ...BATCH, timeoutMs: 5_000n } },
    ),
  ],
  [
    "too many items failed before the others came",
    BAD,
    taken((at) => at.check({ results: [bad(0)] }), { tolerate: tolerateCount(0), retry: ONE_ATTEMPT }),
  ],
  ["a run is cancelled while its job is outside", GOOD, taken((at) => at.partition.control(cancel("a")))],
  ["a run is cancelled while it submits", NOTHING, after((at) => at.partition.control(cancel("a")))],
  ["a whole job succeeds", GOOD, ofWhole((at) => at.check({ done: true }))],
  [
    "a whole job fails as the dependency does",
    BAD,
    ofWhole((at) => at.check({ done: true, error: failure(TIMEOUT, "late") })),
  ],
  [
    "a whole job is refused",
    GOOD,
    ofWhole((at) => at.check({ done: true, error: failure(VALIDATION, "no") })),
  ],
];

test.each(TABLE)("where %s, the breaker counts %j", (_what, [ended, failures], play) => {
  const at = play();
  expect(counts(at)).toEqual({ ended, failed: failures });
  checkPartition(at.partition);
});

test("a job whose submit has left the window counts as a failure for itself", () => {
  const at = jobs();
  at.submit();
  at.partition.pass(WINDOW_MS + 1);
  expect(counts(at)).toEqual({ ended: 0, failed: 0 });
  at.check({ done: true, error: failure(UNAVAILABLE, "gone") });
  expect(counts(at)).toEqual({ ended: 1, failed: 1 });
});

test("three jobs that come to nothing open a breaker of three", () => {
  const at = scene(
    { minSamples: 3, failureRateBp: 10_000, openForMs: 60_000 },
    { batch: BATCH, retry: ONE_ATTEMPT },
  );
  begin(at, "a", "b", "c");
  for (const run of ["a", "b", "c"]) new JobScript(at, run, "charge").submit();
  at.pass(1_000);
  for (const run of ["a", "b", "c"])
    new JobScript(at, run, "charge").report(checkedJob({ done: true, error: failure(UNAVAILABLE, "down") }));
  expect(breakerOf(at)?.transitions.at(-1)?.cause).toBe("3 of 3 attempts failed within 10 s");
});

/** What a submit and its job, or the one attempt of a handler, come to. */
const fates = fc.array(fc.constantFrom("good", "refused", "down", "refused at once", "down at once"), {
  minLength: 1,
  maxLength: 12,
});
const OUTCOMES: Readonly<Record<string, () => TaskReport["outcome"]>> = {
  good: () => succeeded(),
  refused: () => failed(VALIDATION),
  down: () => failed(UNAVAILABLE),
};

test("inline and in jobs, the same outcomes come to the same counts and the same openings", () => {
  const opened = new Set<boolean>();
  fc.assert(
    fc.property(fates, fc.integer({ min: 1, max: 5 }), (drawn, minSamples) => {
      const policy = {
        minSamples,
        windowMs: WINDOW_MS,
        failureRateBp: 6_000,
        openForMs: 300_000,
        onOpen: OnOpen.FAIL,
      };
      const inline = scene(policy, { retry: ONE_ATTEMPT });
      const outside = scene(policy, { retry: ONE_ATTEMPT, batch: BATCH });
      drawn.forEach((fate, n) => {
        const run = `r${n}`;
        const outcome = OUTCOMES[fate.replace(" at once", "")]?.() ?? { case: undefined };
        begin(inline, run);
        begin(outside, run);
        if (inline.inFlight(run).length > 0) inline.finish(run, "charge", outcome);
        const job = new JobScript(outside, run, "charge");
        if (outside.inFlight(run).length > 0 && fate.endsWith("at once")) job.report(outcome);
        else if (outside.inFlight(run).length > 0) {
          job.submit();
          job.check({ done: true, ...(outcome.case === "failure" ? { error: outcome.value } : {}) });
        }
        const seen = [inline, outside].map((partition) => {
          const record = breakerOf(partition);
          const window = record && windowCounts(record, WINDOW_MS, partition.nowNs);
          return {
            run: partition.run(run).status,
            window,
            rate: window && rateBp(window),
            steps: record?.transitions.map(({ from, to, cause }) => ({ from, to, cause })),
          };
        });
        expect(seen[1]).toEqual(seen[0]);
        opened.add((seen[0]?.steps?.length ?? 0) > 0);
      });
      checkPartition(outside);
    }),
    { numRuns: 60 },
  );
  expect(opened.size).toBe(2);
});
