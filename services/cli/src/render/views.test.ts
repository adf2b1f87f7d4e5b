/** What a person must see in the lists, in progress, and of a retry. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ActionStatus,
  GetCountsResponseSchema,
  ItemCountsSchema,
  RejectCode,
  RejectedWorkSchema,
  RetryOutcomeSchema,
  RetryResultKind,
  RetryResultSchema,
  WorkflowSummarySchema,
} from "@holdfast/proto";
import { describe, expect, it } from "vitest";
import { renderItemPage } from "./item.js";
import { renderRejected } from "./rejected.js";
import { renderCounts, renderRuns, renderWorkflows } from "./lists.js";
import { PROGRESS_LINES_MAX, renderBar, renderProgress } from "./progress.js";
import { renderRetryOutcome, renderRetryResult } from "./retry.js";
import { failedItem, partialRun, plainScreen, SAMPLE_NOW_MS } from "./sample-runs.js";
import { cells } from "./text.js";

const screen = plainScreen(80);
const text = (lines: readonly string[]): string => lines.join("\n");

describe("the list of runs", () => {
  it("has one line for each, with status, tally and what is wrong", () => {
    const summary = partialRun().summary;
    if (summary === undefined) throw new Error("the sample has a summary");
    const lines = renderRuns([summary], plainScreen(120));
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain("▲ COMPLETED_WITH_FAILURES");
    expect(lines[1]).toContain("2 OK | 1 PARTIAL | 0 SKIP | 0 ERROR");
    expect(lines[1]).toContain("2 items failed");
    const wide = renderRuns([summary], plainScreen(140));
    expect(wide[0]).toMatch(/REMARK +RETRYABLE$/);
    expect(wide[1]).toMatch(/2 items failed  in 7 d$/);
    for (const line of renderRuns([summary], screen)) expect(cells(line)).toBeLessThanOrEqual(80);
  });

  it("never cuts a run's id or its status, however narrow the screen", () => {
    const summary = partialRun().summary;
    if (summary === undefined) throw new Error("the sample has a summary");
    summary.runId = "509b9a1e-6fb5-4c38-9417-e18d7dc22193";
    for (const width of [50, 66, 80]) {
      const [, line] = renderRuns([summary], plainScreen(width));
      expect(line).toContain("509b9a1e-6fb5-4c38-9417-e18d7dc22193  ");
      expect(line).toContain("▲ COMPLETED_WITH_FAILURES");
    }
  });

  it("says when there are none", () => {
    expect(renderRuns([], screen)).toEqual(["No runs match."]);
  });
});

describe("items", () => {
  const page = {
    action: "check",
    counts: create(ItemCountsSchema, { total: 20, succeeded: 18, failed: 2 }),
    filtered: true,
    keys: [],
    failedOnly: true,
    more: true,
  };

  it("shows failed ones with reason and input, and what to type for the rest", () => {
    const lines = text(renderItemPage("import-1", { ...page, items: [failedItem(17)] }, screen, false));
    expect(lines).toContain("Items of check  18 of 20 items OK · 2 failed");
    expect(lines).toContain("VALIDATION: the release date");
    expect(lines).toContain("Duel in the Sun");
    expect(lines).toContain("holdfast items import-1 --action check --failed --all");
  });

  it("cuts a long input unless all of it is asked for", () => {
    const long = failedItem(1, { inputSnapshot: JSON.stringify({ words: "word ".repeat(400) }) });
    const cut = renderItemPage("r", { ...page, items: [long] }, screen, false);
    const full = renderItemPage("r", { ...page, items: [long] }, screen, true);
    expect(text(cut)).toContain("…");
    expect(text(cut)).not.toContain('"}');
    expect(text(full)).toContain('"}');
  });

  it("lists others one a line", () => {
    const lines = renderItemPage(
      "r",
      { ...page, failedOnly: false, items: [failedItem(1), failedItem(20)] },
      screen,
      false,
    );
    expect(lines).toHaveLength(5);
    for (const line of lines.slice(0, 4)) expect(cells(line)).toBeLessThanOrEqual(80);
  });
});

describe("progress", () => {
  it("is full only when all is done, and empty only when nothing is", () => {
    expect(renderBar(0, 1_000, 10)).toBe("░░░░░░░░░░");
    expect(renderBar(1, 1_000, 10)).toBe("█░░░░░░░░░");
    expect(renderBar(999, 1_000, 10)).toBe("█████████░");
    expect(renderBar(1_000, 1_000, 10)).toBe("██████████");
    expect(renderBar(0, 0, 10)).toBe("░░░░░░░░░░");
  });

  it("tells how far each action is, in words too", () => {
    const lines = renderProgress(partialRun(), screen);
    expect(lines[0]).toContain("█  20 of 20 items ended · 2 failed");
    expect(lines[2]).toContain("report  COMPLETED");
    for (const line of lines) expect(cells(line)).toBeLessThanOrEqual(80);
  });

  it("says how much has ended, by no percentage that another could contradict", () => {
    const run = partialRun();
    const check = run.actions[0];
    if (check?.items === undefined) throw new Error("the sample's first action is over items");
    check.items.total = 3_201;
    check.items.succeeded = 3_198;
    check.items.running = 1;
    const [line = ""] = renderProgress(run, screen);
    expect(line).toContain("3,200 of 3,201 items ended");
    expect(line).not.toContain("%");
    expect(line).toContain("░");
  });

  it("keeps to its lines with many actions, around the one that works", () => {
    const names = Array.from({ length: 30 }, (_, at) => `step-${at}`);
    const run = partialRun({
      actions: names.map((name, at) => ({
        name,
        status: at < 12 ? ActionStatus.COMPLETED : at === 12 ? ActionStatus.RUNNING : ActionStatus.PENDING,
        endedAt: at < 12 ? { seconds: 1n } : undefined,
      })),
    });
    const lines = renderProgress(run, screen);
    expect(lines).toHaveLength(PROGRESS_LINES_MAX);
    expect(text(lines)).toContain("step-12  RUNNING");
  });
});

describe("a retry", () => {
  it("ends with counts that add up", () => {
    const outcome = create(RetryOutcomeSchema, {
      matched: 4n,
      retried: 2n,
      raced: 1n,
      refused: 1n,
      prunedPastRetention: 3n,
      refusedReasons: [{ reason: "POLICY_SECURITY: needs a person", count: 1n }],
    });
    expect(renderRetryOutcome(outcome, screen)).toEqual([
      "retried 2 of 4 · 1 raced · 1 refused (POLICY_SECURITY: needs a person)",
      "  3 more were pruned past their retention",
    ]);
  });

  it("tells each run's result as it happens", () => {
    const result = create(RetryResultSchema, { runId: "import-1", kind: RetryResultKind.RETRIED, items: 58 });
    expect(renderRetryResult(result, screen)).toEqual(["  ✓ import-1 retried · 58 items"]);
    expect(renderRetryResult(result, screen, true)).toEqual(["  ✓ import-1 would be retried · 58 items"]);
  });

  it("says when nothing was changed, and when there is more", () => {
    const lines = text(
      renderRetryOutcome(create(RetryOutcomeSchema, { matched: 1n, dryRun: true, limited: true }), screen),
    );
    expect(lines).toContain("nothing was changed");
    expect(lines).toContain("more runs than the limit");
  });
});

describe("workflows, counts and rejected work", () => {
  it("lists workflows with their actions and queues", () => {
    const workflow = create(WorkflowSummarySchema, {
      name: "films",
      definitionHash: "0123456789abcdef",
      actions: ["check", "enrich"],
      queues: ["default"],
      inputSchema: "{}",
    });
    expect(renderWorkflows([workflow], screen)[1]).toBe(
      "films     0123456789ab  check, enrich  default  schema",
    );
    expect(text(renderWorkflows([], screen))).toContain("A worker registers its own");
  });

  it("counts by workflow, in total, and what was rejected", () => {
    const counts = create(GetCountsResponseSchema, {
      workflows: [
        { workflow: "films", completed: 12n, completedWithFailures: 1n },
        { workflow: "orders", active: 3n },
      ],
      total: { completed: 12n, completedWithFailures: 1n, active: 3n },
      rejected: 2n,
    });
    const lines = renderCounts(counts, plainScreen(120));
    expect(lines[3]).toMatch(/^all +3 +12 +1 /);
    expect(lines[0]).not.toContain("CANCELLED");
    expect(lines.at(-1)).toBe("2 messages could not become a run: holdfast rejected");
  });

  it("gives counts lines of their own where they can't stand side by side", () => {
    const workflow = {
      workflow: "films",
      active: 1n,
      cancelled: 2n,
      noEffect: 3n,
      silentNoOp: 4n,
      itemsFailed: 5n,
    };
    const lines = renderCounts(create(GetCountsResponseSchema, { workflows: [workflow] }), screen);
    for (const line of lines) expect(cells(line)).toBeLessThanOrEqual(80);
    for (const count of ["ACTIVE 1", "CANCELLED 2", "NO_EFFECT 3", "SILENT NO-OP 4", "ITEMS FAILED 5"]) {
      expect(text(lines)).toContain(count);
    }
  });

  it("shows why work was rejected and its id", () => {
    const work = create(RejectedWorkSchema, {
      id: 7n,
      subject: "holdfast.work.film",
      code: RejectCode.UNKNOWN_WORKFLOW,
      reason: "no workflow named film: start a worker that registers it, then replay this",
      rejectedAt: timestampFromMs(SAMPLE_NOW_MS),
      body: new TextEncoder().encode('{"title":"Metropolis\u001b[2J"}'),
      bodyBytes: 1_234n,
    });
    expect(renderRejected([work], screen)).toEqual([
      "#7  holdfast.work.film · UNKNOWN_WORKFLOW · 2026-11-21 03:40:00Z · 1,234 bytes",
      "    no workflow named film: start a worker that registers it, then replay this",
      '    {"title":"Metropolis\\u001b[2J"}',
    ]);
    for (const line of renderRejected([work], plainScreen(50))) expect(cells(line)).toBeLessThanOrEqual(50);
    expect(renderRejected([], screen)).toEqual(["No rejected work."]);
  });
});
