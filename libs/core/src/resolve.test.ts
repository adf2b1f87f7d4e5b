import { ActionStatus, type ItemCounts, ItemCountsSchema, RunStatus, type Tolerate } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import {
  beyondTolerance,
  type EndedAction,
  resolveActionStatus,
  resolveRunStatus,
  tallyOf,
} from "./resolve.js";

const { COMPLETED, COMPLETED_WITH_FAILURES, FAILED, SKIPPED, CANCELLED } = ActionStatus;
const any: Tolerate["limit"] = { case: undefined };
const count = (value: number): Tolerate["limit"] => ({ case: "count", value });
const percent = (value: number): Tolerate["limit"] => ({ case: "basisPoints", value: value * 100 });

function counts(succeeded: number, failed: number, skipped = 0, cancelled = 0): ItemCounts {
  return init(ItemCountsSchema, {
    total: succeeded + failed + skipped + cancelled,
    succeeded,
    failed,
    skipped,
    cancelled,
  });
}

describe("an action over items ends", () => {
  const rows: readonly [string, ItemCounts, Tolerate["limit"], ActionStatus][] = [
    ["without items", counts(0, 0), any, COMPLETED],
    ["all good", counts(3, 0), any, COMPLETED],
    ["all filtered out", counts(0, 0, 3), any, COMPLETED],
    ["one of many good", counts(1, 99), any, COMPLETED_WITH_FAILURES],
    ["none good", counts(0, 3), any, FAILED],
    ["none good, some filtered out", counts(0, 1, 2), any, FAILED],
    ["at the tolerated count", counts(8, 2), count(2), COMPLETED_WITH_FAILURES],
    ["beyond the tolerated count", counts(8, 3), count(2), FAILED],
    ["tolerating none, all good", counts(8, 0), count(0), COMPLETED],
    ["tolerating none, one bad", counts(8, 1), count(0), FAILED],
    ["at 25 %", counts(3, 1), percent(25), COMPLETED_WITH_FAILURES],
    ["just beyond 25 %", counts(2, 1), percent(25), FAILED],
    ["beyond, the rest cancelled", counts(1, 3, 0, 6), count(2), FAILED],
    ["cancelled", counts(3, 1, 0, 2), any, CANCELLED],
  ];
  test.each(rows)("%s", (_, items, tolerate, status) => {
    expect(ActionStatus[resolveActionStatus(items, tolerate)]).toBe(ActionStatus[status]);
  });
  test.each([counts(3, 0), counts(3, 1), counts(0, 0), counts(17, 0, 0, 3)])(
    "whose list broke off is never complete: nobody knows what part is missing",
    (items) => {
      expect(ActionStatus[resolveActionStatus(items, any, false)]).toBe("FAILED");
      expect(ActionStatus[resolveActionStatus(items, percent(100), false)]).toBe("FAILED");
    },
  );
  test("tolerance of a percentage counts all items, without division", () => {
    expect(beyondTolerance(percent(0.01), 100, 1_000_000)).toBe(false);
    expect(beyondTolerance(percent(0.01), 101, 1_000_000)).toBe(true);
  });
});

describe("a run ends", () => {
  const a = (status: ActionStatus, optional = false): EndedAction => ({ status, optional });
  const { FAILED: BY_NOBODY, CANCELLED: BY_REQUEST, COMPLETED_WITH_FAILURES: PARTLY } = RunStatus;
  const rows: readonly [string, EndedAction[], RunStatus, RunStatus][] = [
    ["all completed", [a(COMPLETED), a(COMPLETED)], BY_NOBODY, RunStatus.COMPLETED],
    ["one partial", [a(COMPLETED), a(COMPLETED_WITH_FAILURES)], BY_NOBODY, RunStatus.COMPLETED_WITH_FAILURES],
    ["one failed", [a(COMPLETED_WITH_FAILURES), a(FAILED)], BY_NOBODY, RunStatus.FAILED],
    ["an optional one failed", [a(COMPLETED), a(FAILED, true)], BY_NOBODY, RunStatus.COMPLETED_WITH_FAILURES],
    ["an optional and another failed", [a(FAILED, true), a(FAILED)], BY_NOBODY, RunStatus.FAILED],
    [
      "skipped beside an optional failure",
      [a(FAILED, true), a(SKIPPED)],
      BY_NOBODY,
      RunStatus.COMPLETED_WITH_FAILURES,
    ],
    ["cancelled by request beats failed", [a(FAILED), a(CANCELLED)], BY_REQUEST, RunStatus.CANCELLED],
    ["cancelled, an optional one", [a(COMPLETED), a(CANCELLED, true)], BY_REQUEST, RunStatus.CANCELLED],
    ["cancelled by nobody counts as failed", [a(COMPLETED), a(CANCELLED)], BY_NOBODY, RunStatus.FAILED],
    ["a retry of what had failed in part", [a(COMPLETED), a(CANCELLED)], PARTLY, PARTLY],
    ["such a retry, but one failed anew", [a(FAILED), a(CANCELLED)], PARTLY, RunStatus.FAILED],
    ["asked to be cancelled, but all had ended", [a(COMPLETED)], BY_REQUEST, RunStatus.COMPLETED],
  ];
  test.each(rows)("%s", (_, actions, cancelled, status) => {
    expect(RunStatus[resolveRunStatus(actions, cancelled)]).toBe(RunStatus[status]);
  });
});

test("the tally has a place for each status", () => {
  const all = [1, 2, 3, 4, 5, 6, 7, 8, 9] as ActionStatus[];
  expect(tallyOf(all)).toMatchObject({ open: 4, ok: 1, partial: 1, skip: 1, error: 2 });
});
