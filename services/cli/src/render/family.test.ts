/** What a person sees of the runs above and below a run. */
import { create } from "@bufbuild/protobuf";
import { ActionStatus, RunStatus, RunViewSchema } from "@holdfast/proto";
import { describe, expect, it } from "vitest";
import { renderRun } from "./run.js";
import { partialRun, plainScreen } from "./sample-runs.js";

const parent = (status: RunStatus, action: ActionStatus) =>
  create(RunViewSchema, {
    summary: {
      runId: "order-1",
      workflow: "order",
      status: RunStatus.RUNNING,
      generation: 1,
      tally: { open: 1 },
    },
    levels: [{ level: 0, tally: { open: 1 }, actions: ["ship"] }],
    actions: [
      {
        name: "ship",
        status: action,
        attempt: 1,
        detail: "waits for run order-1-ship-0a of shipping",
        child: {
          runId: "order-1-ship-0a",
          workflow: "shipping",
          status,
          ...(status === RunStatus.PENDING
            ? {}
            : {
                tally: { ok: 2, partial: 1 },
                items: { total: 20, succeeded: 17, failed: 3 },
                usage: { counts: [{ name: "tokens", amountMicro: 7_500_000n }] },
              }),
        },
      },
    ],
  });
const shown = (run: Parameters<typeof renderRun>[0]): string =>
  renderRun(run, [], plainScreen(100)).join("\n");

describe("a parent", () => {
  it("that waits says for which run, once, and how to look at it", () => {
    const text = shown(parent(RunStatus.PENDING, ActionStatus.WAITING));
    expect(text).toContain("      run order-1-ship-0a of shipping: asked for\n");
    expect(text).not.toContain("waits for run");
    expect(text).toMatch(/holdfast run order-1-ship-0a +the run of ship/);
  });

  it("shows the partial result of its child", () => {
    const text = shown(parent(RunStatus.COMPLETED_WITH_FAILURES, ActionStatus.COMPLETED_WITH_FAILURES));
    expect(text.replace(/\s+/g, " ")).toContain(
      "run order-1-ship-0a of shipping: COMPLETED_WITH_FAILURES · 2 OK | 1 PARTIAL | 0 SKIP | 0 ERROR · 17 of 20 items OK · 3 failed · spent: tokens 7.5",
    );
  });

  it("does not send anybody to a child that completed", () => {
    const text = shown(parent(RunStatus.COMPLETED, ActionStatus.COMPLETED));
    expect(text).not.toContain("holdfast run order-1-ship-0a");
  });
});

describe("a child", () => {
  const text = shown(
    partialRun({
      origin: "run order-1, action ship",
      parent: { runId: "order-1", workflow: "order", action: "ship" },
    }),
  );

  it("says whose it is, once, and how to look at that", () => {
    expect(text.replace(/\s+/g, " ")).toContain("child of run order-1 (action ship of order)");
    expect(text).not.toContain("from run order-1");
    expect(text).toMatch(/holdfast run order-1 +the run that began it/);
  });
});
