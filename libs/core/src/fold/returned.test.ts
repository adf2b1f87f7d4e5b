/** An attempt that its worker gives back: nothing of it is spent, and it goes on as somebody else's. */
import { ActionStatus, TaskReturnSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, describe, expect, test } from "vitest";
import { submittedJob } from "../testing/batch-moves.js";
import {
  action,
  BATCH,
  cancel,
  command,
  define,
  failed,
  json,
  ONE_ATTEMPT,
  overInput,
  start,
  succeeded,
  UNDO,
  workflow,
} from "../testing/build.js";
import { usage } from "../testing/guardrail-moves.js";
import { TestPartition } from "../testing/partition.js";

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
});

const BACK = {
  case: "returned" as const,
  value: init(TaskReturnSchema, { reason: "not here", noFunction: true }),
};
const open = () => [...partition.open.keys()];

describe("an attempt that is given back", () => {
  test("is still the current one, spends nothing, and is told with its worker and why", () => {
    partition.send(define(workflow("w", [action("only", { retry: ONE_ATTEMPT })])));
    partition.send(start("r", "w"));
    const before = open();
    for (let times = 0; times < 5; times++) {
      expect(partition.finish("r", "only", BACK, undefined, { worker: "worker-a" }).case).toBe("accepted");
      expect(partition.effects.find(({ kind }) => kind === "returned")).toEqual({
        kind: "returned",
        runId: "r",
        action: 0,
        item: -1,
        attempt: 1,
        worker: "worker-a",
        reason: "not here",
        noFunction: true,
      });
      expect(open()).toEqual(before);
    }
    expect(partition.action("r", "only")).toMatchObject({ status: ActionStatus.RUNNING, attempt: 1 });
    partition.finish("r", "only", succeeded(7));
    expect(partition.status("r", "only")).toBe("COMPLETED");
  });

  test("may be of an item, of an undo, or at a job", () => {
    partition.send(
      define(
        workflow("w", [
          action("each", { forEach: overInput(), retry: ONE_ATTEMPT, undo: UNDO }),
          action("job", { after: ["each"], batch: BATCH, retry: ONE_ATTEMPT }),
        ]),
      ),
    );
    partition.send(start("r", "w"));
    partition.load("r", "each", [json(1), json(2)]);
    partition.finish("r", "each", BACK, 0);
    expect(partition.inFlight("r")).toEqual(["each#0", "each#1"]);
    partition.finish("r", "each", succeeded(1), 0);
    partition.finish("r", "each", succeeded(1), 1);
    expect(partition.action("r", "each").items?.counts?.succeeded).toBe(2);
    partition.finish("r", "job", BACK);
    partition.finish("r", "job", submittedJob());
    partition.send(command(cancel("r")), { id: "c-1" });
    const undone = () => partition.inFlight("r").filter((name) => name === "each");
    expect(undone()).toEqual(["each"]);
    partition.finish("r", "each", BACK);
    expect(undone()).toEqual(["each"]);
    partition.finish("r", "each", succeeded());
    expect(undone()).toEqual([]);
  });

  test("counts what it used", () => {
    partition.send(define(workflow("w", [action("only", { retry: ONE_ATTEMPT })])));
    partition.send(start("r", "w"));
    partition.finish("r", "only", BACK, undefined, { usage: usage({ tokens: 5n }) });
    partition.finish("r", "only", succeeded(7), undefined, { usage: usage({ tokens: 2n }) });
    expect(partition.run("r").usage?.counts[0]).toMatchObject({ name: "tokens", amountMicro: 7n });
  });

  test("is over where its run is being cancelled", () => {
    partition.send(define(workflow("w", [action("each", { forEach: overInput() })])));
    partition.send(start("r", "w"));
    partition.load("r", "each", [json(1), json(2)]);
    partition.send(command(cancel("r", "stop it", 60_000)), { id: "c-1" });
    partition.finish("r", "each", BACK, 0);
    expect(partition.inFlight("r")).toEqual(["each#1"]);
    partition.finish("r", "each", failed(), 1);
    expect(partition.status("r", "each")).toBe("CANCELLED");
  });
});
