/** What a person must see of a run, whatever the terminal. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ActionStatus,
  BatchPhase,
  BatchViewSchema,
  Effect,
  FailureMode,
  HeldKeyViewSchema,
  RunStatus,
  UndoStatus,
  UndoViewSchema,
} from "@holdfast/proto";
import { describe, expect, it } from "vitest";
import { renderRun } from "./run.js";
import { failedItem, partialRun, plainScreen, SAMPLE_NOW_MS } from "./sample-runs.js";
import { colourStyle } from "./style.js";
import { cells } from "./text.js";
import { PartialResultSchema, TallySchema } from "@holdfast/proto";
import { renderFailedItems } from "./item.js";
import { formatSteps } from "./steps.js";
import { formatTally, levelColour } from "./tally.js";

const failed = [{ action: "check", total: 2, items: [failedItem(17)] }];
const at = (secondsAgo: number) => timestampFromMs(SAMPLE_NOW_MS - secondsAgo * 1_000);
const text = (lines: readonly string[]): string => lines.join("\n");

describe("a run that failed in part", () => {
  const lines = renderRun(partialRun(), failed, plainScreen(80));

  it("is shown line by line", () => {
    expect(text(lines)).toBe(
      `Run import-1  ▲ COMPLETED_WITH_FAILURES
  2 OK | 1 PARTIAL | 0 SKIP | 0 ERROR
  workflow films · generation 1 · began 2026-11-21 03:39:51Z · took 5.0 s

Level 0  yellow  0 OK | 1 PARTIAL | 0 SKIP | 0 ERROR
  ▲ check   COMPLETED_WITH_FAILURES  18 of 20 items OK · 2 failed · 2.0 s
      failed by mode: 1 VALIDATION, 1 HANDLER_BUG
Level 1  green   1 OK | 0 PARTIAL | 0 SKIP | 0 ERROR
  ✓ enrich  COMPLETED                18 of 18 items OK · 2.0 s
Level 2  green   1 OK | 0 PARTIAL | 0 SKIP | 0 ERROR
  ✓ report  COMPLETED                1 attempt · 1.0 s

Failed items of check (first 1 of 2)
  #17  VALIDATION: the release date 2046-12-31 lies in the future
       input {"Release Date":"Dec 31 2046","Title":"Duel in the Sun"}
  … and 1 more: holdfast items import-1 --failed

Retryable until 2026-11-28 03:40:00Z (in 7 d)
Recommended: RETRY_FAILED: 94 % of the work succeeded
  Mend what the failed items name, then retry them.

What to type
  holdfast items import-1 --failed        every failed item, with its input
  holdfast retry import-1                 run again what failed
  holdfast retry-failed --workflow films  and in every such run`,
    );
  });

  it("says its status and its tally first", () => {
    expect(lines[0]).toContain("COMPLETED_WITH_FAILURES");
    expect(lines[1]).toContain("2 OK | 1 PARTIAL | 0 SKIP | 0 ERROR");
  });

  it("names each level's colour in words, with its own tally", () => {
    expect(lines).toContain("Level 0  yellow  0 OK | 1 PARTIAL | 0 SKIP | 0 ERROR");
    expect(lines).toContain("Level 1  green   1 OK | 0 PARTIAL | 0 SKIP | 0 ERROR");
  });

  it("counts the items of each action and the modes they failed in", () => {
    expect(text(lines)).toContain("18 of 20 items OK · 2 failed");
    expect(text(lines)).toContain("1 VALIDATION, 1 HANDLER_BUG");
  });

  it("shows a failed item's reason and the input that it failed with", () => {
    expect(text(lines)).toContain("#17  VALIDATION: the release date 2046-12-31 lies in the future");
    expect(text(lines)).toContain('input {"Release Date":"Dec 31 2046","Title":"Duel in the Sun"}');
  });

  it("says how many more failed and what to type to see them", () => {
    expect(text(lines)).toContain("… and 1 more: holdfast items import-1 --failed");
  });

  it("says until when it is retryable, what is recommended and why", () => {
    expect(text(lines)).toContain("Retryable until 2026-11-28 03:40:00Z (in 7 d)");
    expect(text(lines)).toContain("Recommended: RETRY_FAILED: 94 % of the work succeeded");
    expect(text(lines)).toContain("Mend what the failed items name, then retry them.");
  });

  it("ends with commands that can be typed as they stand", () => {
    expect(text(lines)).toContain("  holdfast retry import-1 ");
    expect(text(lines)).toContain("  holdfast retry-failed --workflow films ");
  });

  it.each([60, 80, 120])("fits %i columns; only what is to be typed is never cut", (width) => {
    const tooLong = renderRun(partialRun(), failed, plainScreen(width)).filter((line) => cells(line) > width);
    expect(tooLong.filter((line) => width >= 80 || !line.includes("holdfast "))).toEqual([]);
  });

  it("loses nothing but colour without colour", () => {
    const coloured = renderRun(partialRun(), failed, { ...plainScreen(80), style: colourStyle });
    // oxlint-disable-next-line no-control-regex
    expect(coloured.map((line) => line.replace(/\u001b\[\d+m/g, ""))).toEqual(lines);
  });
});

describe("a failed item", () => {
  it("shows the workflow's own message, and the raw text beside it", () => {
    const item = failedItem(3, {
      failure: { mode: FailureMode.NETWORK, message: "ECONNRESET", shown: "row 3: could not load prices" },
    });
    const lines = text(
      renderRun(partialRun(), [{ action: "check", total: 1, items: [item] }], plainScreen(80)),
    );
    expect(lines).toContain("#3  NETWORK: row 3: could not load prices");
    // The raw cause stands beside it.
    expect(lines).toContain("cause ECONNRESET");
  });

  it("can't take over the terminal with what it failed on", () => {
    const item = failedItem(3, {
      inputSnapshot: '{"name":"\u001b]0;owned\u0007"}',
      failure: { mode: FailureMode.VALIDATION, message: "bad\u001b[2J\nname" },
    });
    const lines = text(
      renderRun(partialRun(), [{ action: "check", total: 1, items: [item] }], plainScreen(80)),
    );
    expect(lines).not.toContain("\u001b");
    expect(lines).toContain("bad\\u001b[2J\\nname");
  });
});

describe("steps", () => {
  const partial = { completedSteps: ["extract", "map"], failedSteps: ["load"], remainingSteps: ["publish"] };

  it("of an action that failed: what is done, where it failed, what was not begun", () => {
    const run = partialRun();
    const report = run.actions[2];
    if (report === undefined) throw new Error("the sample has three actions");
    report.status = ActionStatus.FAILED;
    report.partial = create(PartialResultSchema, partial);
    expect(text(renderRun(run, [], plainScreen(80)))).toContain(
      "steps: extract, map done · failed in load · not begun: publish",
    );
  });

  it("of a failed item, beside its reason", () => {
    const lines = renderFailedItems([failedItem(3, { partial })], plainScreen(80));
    expect(text(lines)).toContain("steps: extract, map done · failed in load");
  });

  it("are not mentioned where there are none", () => {
    expect(formatSteps(create(PartialResultSchema, { failedSteps: ["handler"] }), [])).toBe("");
    expect(formatSteps(undefined, [])).toBe("");
  });
});

describe("the other ways of a run", () => {
  const summaryOf = (run = partialRun()) => {
    if (run.summary === undefined) throw new Error("the sample has a summary");
    return run.summary;
  };

  it("running: offers to watch and to cancel, nothing else", () => {
    const run = partialRun({ recommendation: undefined });
    const summary = summaryOf(run);
    summary.status = RunStatus.RUNNING;
    summary.endedAt = undefined;
    summary.retryableUntil = undefined;
    const lines = text(renderRun(run, [], plainScreen(80)));
    expect(lines).toContain("running for 9.0 s");
    expect(lines).toContain("holdfast run import-1 --watch");
    expect(lines).toContain("holdfast cancel import-1");
    expect(lines).not.toContain("retry");
  });

  it("failed: says why in the head", () => {
    const run = partialRun({ failure: { mode: FailureMode.UNAVAILABLE, message: "price service is down" } });
    summaryOf(run).status = RunStatus.FAILED;
    expect(text(renderRun(run, [], plainScreen(80)).slice(0, 5))).toContain(
      "UNAVAILABLE: price service is down",
    );
  });

  it("completed without any effect: says so once, and what to do where that is a surprise", () => {
    const run = partialRun();
    const summary = summaryOf(run);
    summary.status = RunStatus.COMPLETED;
    summary.effect = Effect.SILENT;
    summary.detail = "completed, but no action had an effect, and no reason was given";
    const silent = text(renderRun(run, [], plainScreen(200)));
    expect(silent).toContain("ctx.noEffect(reason)");
    expect(silent).not.toContain(summary.detail);
    summary.effect = Effect.NONE_WITH_REASON;
    summary.detail = "completed without effect: no mail";
    expect(text(renderRun(run, [], plainScreen(200)))).toContain(
      "  NO_EFFECT: completed without effect: no mail\n",
    );
  });

  it("failed: is not called a silent no-op", () => {
    const run = partialRun();
    const summary = summaryOf(run);
    summary.status = RunStatus.FAILED;
    summary.effect = Effect.SILENT;
    expect(text(renderRun(run, [], plainScreen(80)))).not.toContain("no-op");
  });

  it("cancelled: says why, once", () => {
    const run = partialRun({ cancelReason: "wrong file" });
    const summary = summaryOf(run);
    summary.status = RunStatus.CANCELLED;
    expect(text(renderRun(run, [], plainScreen(80))).match(/wrong file/g)).toHaveLength(1);
    summary.detail = "cancelled: wrong file";
    expect(text(renderRun(run, [], plainScreen(80))).match(/wrong file/g)).toHaveLength(1);
  });

  it("completed: nothing is recommended, and no detail repeats what stands there already", () => {
    const run = partialRun();
    const summary = summaryOf(run);
    summary.status = RunStatus.COMPLETED;
    summary.detail = "completed";
    for (const action of run.actions) {
      action.status = ActionStatus.COMPLETED;
      action.detail = action.items === undefined ? "completed" : "18 of 18 items succeeded";
    }
    const lines = text(renderRun(run, [], plainScreen(80)));
    expect(lines).not.toMatch(/completed|succeeded|Recommended/);
  });

  it("an action that was skipped says which upstream failed", () => {
    const run = partialRun();
    const report = run.actions[2];
    if (report === undefined) throw new Error("the sample has three actions");
    report.status = ActionStatus.SKIPPED;
    report.detail = "upstream enrich failed";
    expect(text(renderRun(run, [], plainScreen(80)))).toContain("upstream enrich failed");
  });
});

describe("the tally", () => {
  it("always has its four parts, and the open ones while there are any", () => {
    expect(formatTally(create(TallySchema, { ok: 17, partial: 2 }))).toBe(
      "17 OK | 2 PARTIAL | 0 SKIP | 0 ERROR",
    );
    expect(formatTally(create(TallySchema, { open: 3 }))).toBe(
      "0 OK | 0 PARTIAL | 0 SKIP | 0 ERROR | 3 OPEN",
    );
  });

  it("makes a level red with an error, yellow with a partial, else green", () => {
    expect(levelColour(create(TallySchema, { ok: 9, partial: 1, error: 1 })).word).toBe("red");
    expect(levelColour(create(TallySchema, { ok: 9, partial: 1 })).word).toBe("yellow");
    expect(levelColour(create(TallySchema, { ok: 9, skip: 1 })).word).toBe("green");
    expect(levelColour(create(TallySchema, { ok: 9, open: 1 })).word).toBe("open");
  });
});

describe("an action whose work an outside system does", () => {
  const shown = (batch: MessageInitShape<typeof BatchViewSchema>) => {
    const run = partialRun();
    const [, second] = run.actions;
    if (second !== undefined) {
      second.status = ActionStatus.WAITING;
      second.batch = create(BatchViewSchema, { job: 2, ...batch });
      second.retryAt = second.batch.nextCheck;
    }
    return renderRun(run, [], plainScreen(200)).filter((line) => /^ {6}/.test(line));
  };

  it("shows its job, the last check and the next", () => {
    const phase = BatchPhase.SUBMITTED;
    const lines = shown({
      phase,
      handle: "b-17",
      submittedAt: at(9),
      lastCheck: at(4),
      nextCheck: at(-6),
      checks: 3,
    });
    expect(lines).toContain(
      "      job 2 b-17 · submitted 2026-11-21 03:39:51Z · last check 2026-11-21 03:39:56Z · next check 2026-11-21 03:40:06Z · 3 checks",
    );
    expect(text(lines)).not.toContain("tries again");
  });

  it.each([
    [
      { phase: BatchPhase.SUBMITTING, tries: 1 },
      "      job 2 · is not submitted yet · 1 failed attempt in a row",
    ],
    [
      { phase: BatchPhase.CHECKING, handle: "h", ignored: 2 },
      "      job 2 h · is being checked · 2 results that changed nothing",
    ],
    [
      { phase: BatchPhase.UNSPECIFIED, cancels: 1 },
      "      1 job still to be cancelled in the outside system",
    ],
  ])("says what is done about it: %#", (batch, line) => {
    expect(shown(batch)).toContain(line);
  });
});

describe("an action whose items have breaker keys of their own", () => {
  it("shows what is held, by key, and says so of more keys than it names", () => {
    const run = partialRun();
    const [, second] = run.actions;
    const said = "breaker open until 2026-11-21 04:00:00Z: 2 of 2 attempts failed within 60 s";
    const keys = ["a.example", "", "c", "d", "e", "f", "g"];
    if (second !== undefined) {
      second.status = ActionStatus.WAITING;
      second.detail = `${said}; holds items of "a.example", and of 6 other keys`;
      second.heldKeys = keys.map((key, i) => create(HeldKeyViewSchema, { key, items: i + 1, text: said }));
    }
    const lines = renderRun(run, [], plainScreen(200));
    expect(lines).toContain(`      1 item of "a.example" held: ${said}`);
    expect(lines).toContain(`      2 items without a key held: ${said}`);
    expect(lines).toContain("      items of 2 more keys are held");
    expect(lines.join()).not.toContain("other keys");
  });
});

describe("a run that is undone", () => {
  const undone = (undo: MessageInitShape<typeof UndoViewSchema>, status: RunStatus) => {
    const run = partialRun();
    if (run.summary !== undefined) run.summary.status = status;
    const [, second] = run.actions;
    if (second !== undefined) second.undo = create(UndoViewSchema, { generation: 1, ...undo });
    return renderRun(run, [], plainScreen(80));
  };
  const times = { startedAt: at(3), endedAt: at(1), attempts: 2 };

  it.each([
    [{ status: UndoStatus.PENDING }, "      ○ to be undone"],
    [{ status: UndoStatus.RUNNING, attempts: 1, startedAt: at(2) }, "      ● undoing · 1 attempt · 2.0 s"],
    [
      {
        status: UndoStatus.RETRYING,
        attempts: 1,
        startedAt: at(2),
        retryAt: at(0),
        failure: { mode: FailureMode.NETWORK, message: "bank away" },
        detail: "NETWORK: bank away",
      },
      "      ▲ undoing: NETWORK: bank away · 1 attempt · 2.0 s · tries again at",
    ],
    [{ status: UndoStatus.DONE, detail: "undone", ...times }, "      ○ undone · 2 attempts · 2.0 s"],
    [
      { status: UndoStatus.DONE, detail: "refund 7", ...times },
      "      ○ undone · 2 attempts · 2.0 s · refund 7",
    ],
    [
      { status: UndoStatus.FAILED, failure: { mode: FailureMode.CONFLICT, message: "too late" }, ...times },
      "      ✗ could not be undone: CONFLICT: too late · 2 attempts · 2.0 s",
    ],
    [
      {
        status: UndoStatus.FAILED,
        failure: { mode: FailureMode.CONFLICT, message: "late" },
        startedAt: at(3),
        endedAt: at(1),
        generation: 3,
      },
      "      ✗ could not be undone: CONFLICT: late · 2.0 s · in generation 3",
    ],
  ])("shows how far each undo came: %#", (undo, line) => {
    expect(undone(undo, RunStatus.RUNNING)).toContain(line);
  });

  it("says once why it failed and what was undone", () => {
    const why = "pay: the card was refused";
    const run = partialRun({ failure: { mode: FailureMode.PERMISSION, message: why } });
    if (run.summary !== undefined) run.summary.detail = `${why}; undone: hotel`;
    const [first] = run.actions;
    if (first !== undefined) first.undo = create(UndoViewSchema, { status: UndoStatus.DONE });
    const lines = renderRun(run, [], plainScreen(80));
    expect(lines.filter((line) => line.includes(why))).toEqual([`  PERMISSION: ${why}; undone: hotel`]);
    expect(text(lines)).toContain("run again what failed, and what was undone");
  });

  it("offers no cancel while it is undone", () => {
    expect(text(undone({ status: UndoStatus.RUNNING }, RunStatus.RUNNING))).not.toContain("holdfast cancel");
    expect(text(undone({ status: UndoStatus.DONE }, RunStatus.RUNNING))).toContain("holdfast cancel");
  });
});
