/** A check finds what is broken, names the rule, and finds nothing where nothing is. */
import { ActionStatus, BatchPhase, ItemStatus, RunStatus, UndoStatus } from "@holdfast/proto";
import { beforeEach, describe, expect, test } from "vitest";
import { chunkKey, itemKey, runKey } from "../state/tables.js";
import {
  action,
  BATCH,
  childRun,
  define,
  failed,
  inline,
  json,
  ONE_ATTEMPT,
  overInput,
  start,
  succeeded,
  UNDO,
  workflow,
} from "../testing/build.js";
import { JobScript } from "../testing/job-script.js";
import { TestPartition } from "../testing/partition.js";
import { checkRun } from "./check-run.js";

let partition: TestPartition;
const check = () => checkRun(partition.view, "r1", partition.run("r1"), partition.planOf("r1"));
const rules = () =>
  check().breaches.map(({ rule, action: name }) => (name === "" ? rule : `${rule} ${name}`));

beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
  const actions = [
    action("each", { forEach: overInput(), retry: ONE_ATTEMPT }),
    action("after", { after: ["each"] }),
  ];
  partition.send(define(workflow("w", actions)));
  partition.send(start("r1", "w", { input: inline([1, 2, 3]) }));
  partition.load("r1", "each", [json(1), json(2), json(3)]);
  partition.finish("r1", "each", failed(), 0);
  partition.finish("r1", "each", succeeded(), 1);
});

const end = () => {
  partition.finish("r1", "each", succeeded(), 2);
  partition.finish("r1", "after", succeeded());
};

test("finds nothing in a run that is as it should be, at any time of it", () => {
  expect(check()).toEqual({ breaches: [], items: 3 });
  end();
  expect(partition.run("r1").status).toBe(RunStatus.COMPLETED_WITH_FAILURES);
  expect(check()).toEqual({ breaches: [], items: 3 });
});

describe("of jobs, finds", () => {
  const jobs = (alter: (state: ReturnType<TestPartition["action"]>) => void) => {
    partition.send(define(workflow("jobs", [action("load", { forEach: overInput(), batch: BATCH })])));
    partition.send(start("r2", "jobs", { input: inline([1, 2]) }));
    partition.load("r2", "load", [json(1), json(2)]);
    const job = new JobScript(partition, "r2", "load");
    job.submit();
    const run = partition.run("r2");
    const of = () => checkRun(partition.view, "r2", run, partition.planOf("r2")).breaches;
    expect(of()).toEqual([]);
    alter(partition.action("r2", "load"));
    partition.view.put(runKey("r2"), run);
    return of().map(({ rule, message }) => `${rule} ${message}`);
  };

  test("one that is never checked", () => {
    const found = jobs((state) => {
      state.retryAtNs = 0n;
    });
    expect(found).toEqual(["I13 its job is to be checked, but not at any time"]);
  });

  test("items at work without one", () => {
    const found = jobs((state) => {
      if (state.batch !== undefined) state.batch.phase = BatchPhase.UNSPECIFIED;
    });
    expect(found).toEqual(["I4 2 items are at work, but there is no job"]);
  });

  test("one that outlives its action", () => {
    const found = jobs((state) => {
      state.status = ActionStatus.FAILED;
    });
    expect(found).toContain("I3 it is FAILED, but a job of it is SUBMITTED");
  });
});

describe("finds", () => {
  const change = (alter: (run: ReturnType<TestPartition["run"]>) => void) => {
    const run = partition.run("r1");
    alter(run);
    partition.view.put(runKey("r1"), run);
  };

  test("a count that is not what it counts, and says both", () => {
    change((run) => {
      const counts = run.actions[0]?.items?.counts;
      if (counts !== undefined) counts.failed = 2;
    });
    expect(check().breaches).toEqual([
      { rule: "I4", action: "each", message: "2 items are counted as failed, 1 are" },
    ]);
  });

  test("an item whose disposition changed behind the counts", () => {
    const key = chunkKey("r1", 0, 0);
    const chunk = partition.view.get(key);
    if (chunk !== undefined) {
      chunk.statuses[2] = ItemStatus.SUCCEEDED;
      partition.view.put(key, chunk);
    }
    expect(rules()).toEqual(["I4 each", "I4 each", "I3 each"]);
  });

  test("an item that lost its record", () => {
    partition.view.del(itemKey("r1", 0, 0));
    expect(rules()).toEqual(["I4 each"]);
  });

  test("a run that ended before its actions, or otherwise than they did", () => {
    change((run) => {
      run.status = RunStatus.COMPLETED;
      run.endedAtNs = 1n;
    });
    // One of its items has failed, which is not how a run completes.
    expect(rules()).toEqual(["I3", "I4"]);
    change((run) => {
      run.status = RunStatus.RUNNING;
    });
    end();
    change((run) => {
      run.status = RunStatus.COMPLETED;
    });
    expect(rules()).toEqual(["I3", "I4", "I6 each"]);
  });

  test("a run that goes on though all of it has ended", () => {
    end();
    change((run) => {
      run.status = RunStatus.RUNNING;
    });
    expect(rules()).toEqual(["I3", "I6 each"]);
  });

  test("a wait for a run that was never asked for", () => {
    partition.send(define(workflow("p", [action("sub", { child: childRun("w") })])));
    partition.send(start("r2", "p"));
    const run = partition.run("r2");
    const found = () => checkRun(partition.view, "r2", run, partition.planOf("r2")).breaches;
    expect(found()).toEqual([]);
    if (run.actions[0] !== undefined) run.actions[0].child = undefined;
    expect(found()).toEqual([expect.objectContaining({ rule: "I10", action: "sub" })]);
  });

  test("a failure without a reason, and a pause without an end", () => {
    change((run) => {
      const state = run.actions[1];
      if (state !== undefined) state.status = ActionStatus.RETRYING;
    });
    expect(rules()).toEqual(["I13 after"]);
    change((run) => {
      const state = run.actions[1];
      if (state !== undefined) {
        state.status = ActionStatus.FAILED;
        state.detail = undefined;
        state.failure = undefined;
      }
    });
    expect(rules()).toEqual(["I8 after", "I8 after"]);
  });
});

describe("of a run that is undone", () => {
  beforeEach(() => {
    const actions = [
      action("first", { undo: UNDO }),
      action("second", { after: ["first"], undo: UNDO }),
      action("third", { after: ["second"], retry: ONE_ATTEMPT }),
    ];
    partition.send(define(workflow("undone", actions)));
    partition.send(start("r2", "undone"));
    for (const name of ["first", "second"]) partition.finish("r2", name, succeeded());
    partition.finish("r2", "third", failed());
  });
  const messages = (alter: (run: ReturnType<TestPartition["run"]>) => void = () => undefined) => {
    const run = partition.run("r2");
    alter(run);
    return checkRun(partition.view, "r2", run, partition.planOf("r2")).breaches.map(({ message }) => message);
  };

  test("finds nothing while it is undone, nor after", () => {
    expect(messages()).toEqual([]);
    for (const name of ["second", "first"]) {
      partition.finish("r2", name, succeeded());
      expect(messages()).toEqual([]);
    }
    expect(partition.run("r2").status).toBe(RunStatus.FAILED);
  });

  test("finds undos side by side, none under way, open actions, and an end too early", () => {
    const [first, second] = partition.run("r2").actions;
    if (first?.undo === undefined || second?.undo === undefined) throw new Error("nothing is undone");
    first.undo.status = UndoStatus.RETRYING;
    expect(messages()).toEqual(["the run is being undone, but 2 undos are under way: it should be one"]);
    first.undo.status = UndoStatus.PENDING;
    second.undo.status = UndoStatus.DONE;
    expect(messages()).toEqual(["the run is being undone, but 0 undos are under way: it should be one"]);
    second.undo.status = UndoStatus.RUNNING;
    second.status = ActionStatus.RUNNING;
    expect(messages()).toEqual(["the run is being undone, but 1 of its actions are open"]);
    second.status = ActionStatus.COMPLETED;
    expect(
      messages((run) => {
        run.status = RunStatus.FAILED;
      }),
    ).toContain("the run is FAILED, but is still being undone");
  });
});
