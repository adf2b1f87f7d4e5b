/** What waits for somebody says what to type for it, and when it is over. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ActionStatus, ActionViewSchema, RunStatus, WaitViewSchema } from "@holdfast/proto";
import { expect, it } from "vitest";
import { suggestionsFor } from "./advice.js";
import { renderRun } from "./run.js";
import { partialRun, plainScreen, SAMPLE_NOW_MS } from "./sample-runs.js";

const asks = (name: string, kind: string, text: string) =>
  create(ActionViewSchema, {
    name,
    status: ActionStatus.WAITING,
    retryAt: timestampFromMs(SAMPLE_NOW_MS + 60_000),
    wait: create(WaitViewSchema, {
      kind,
      text,
      until: timestampFromMs(SAMPLE_NOW_MS + 60_000),
      onTimeout: "it is rejected",
    }),
  });

function waiting(...actions: ReturnType<typeof asks>[]) {
  const run = partialRun({ actions });
  if (run.summary !== undefined) run.summary.status = RunStatus.RUNNING;
  return run;
}

it("an approval: approve and reject, before anything else", () => {
  const typed = suggestionsFor(waiting(asks("pay", "approval", "pay 17 €?")));
  expect(typed.slice(0, 2).map(({ args, does }) => [args, does])).toEqual([
    ["approve import-1", "say yes: pay 17 €?"],
    ['reject import-1 --comment "…"', "say no: its action fails"],
  ]);
});

it("several: each by its action, and a signal by its name", () => {
  const run = waiting(
    asks("pay", "approval", ""),
    asks("ship", "approval", ""),
    asks("go", "signal", "all clear"),
  );
  expect(suggestionsFor(run).map(({ args }) => args)).toEqual(
    expect.arrayContaining([
      "approve import-1 --action pay",
      "approve import-1 --action ship",
      "signal import-1 'all clear'",
    ]),
  );
});

it("its time-out is said as what it is, not as another attempt", () => {
  const lines = renderRun(waiting(asks("pay", "approval", "pay?")), [], plainScreen(100)).join("\n");
  expect(lines).toMatch(/at 2026-11-21 .* it is rejected/);
  expect(lines).not.toContain("tries again");
});
