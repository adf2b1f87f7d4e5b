/** A check of signatures finds what a retry by them would miss or take in vain, and nothing where all is right. */
import { FailureMode, RunStatus } from "@holdfast/proto";
import { beforeEach, expect, test } from "vitest";
import { signatureRunKey } from "../state/tables.js";
import {
  action,
  batch,
  define,
  failed,
  json,
  ONE_ATTEMPT,
  overInput,
  retry,
  start,
  succeeded,
  workflow,
} from "../testing/build.js";
import { TestPartition } from "../testing/partition.js";
import { checkRun } from "./check-run.js";

let partition: TestPartition;
const found = (): string[] =>
  checkRun(partition.view, "r", partition.run("r"), partition.planOf("r")).breaches.map(
    ({ rule, action: name, message }) => `${rule} ${name}: ${message}`,
  );
const row = (): string => {
  const { signatures, createdAtNs } = partition.run("r");
  return signatureRunKey(signatures[0]?.id ?? "", createdAtNs, "r");
};

beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
  partition.append(
    batch([define(workflow("w", [action("load", { forEach: overInput(), retry: ONE_ATTEMPT })]))]),
  );
  partition.send(start("r", "w"));
  partition.load("r", "load", [json(1), json(2)]);
  partition.finish("r", "load", failed(FailureMode.VALIDATION, "row 1 is bad"), 0);
});

test("nothing while it runs, once it has failed, while it is retried and once it is healed", () => {
  expect(found()).toEqual([]);
  partition.finish("r", "load", succeeded(), 1);
  expect([partition.run("r").status, found()]).toEqual([RunStatus.COMPLETED_WITH_FAILURES, []]);
  partition.control(retry("r"));
  expect(found()).toEqual([]);
  partition.finish("r", "load", succeeded(), 0);
  expect([partition.run("r").status, found()]).toEqual([RunStatus.COMPLETED, []]);
});

test("a failed run that the index does not have", () => {
  partition.finish("r", "load", succeeded(), 1);
  partition.view.del(row());
  expect(found()).toEqual([expect.stringMatching(/^I6 load: .* a retry by that would not find it$/)]);
});

test("a run that is in the index and has not failed, or not ended", () => {
  partition.finish("r", "load", succeeded(), 1);
  const { signatures } = partition.run("r");
  partition.run("r").status = RunStatus.COMPLETED;
  expect(found()).toContainEqual(expect.stringContaining("COMPLETED, but has failure signatures"));
  expect(found()).toContainEqual(expect.stringMatching(/^I6 load: .* would find it$/));
  partition.run("r").status = RunStatus.RUNNING;
  for (const entry of signatures) entry.items = 0;
  expect(found()).toContainEqual(expect.stringContaining("has not ended, but is counted as failed"));
});

test("more failed items than there are", () => {
  for (const entry of partition.run("r").signatures) entry.items = 2;
  expect(found()).toEqual(["I4 load: its signatures count 2 failed items, there are 1"]);
});
