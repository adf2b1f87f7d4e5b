import { FailureMode } from "@holdfast/proto";
import { expect, test } from "vitest";
import { childRunId } from "../actor/child-id.js";
import { RUN_ID_CHARS_MAX } from "../limits.js";
import { signatureOf } from "./signature.js";

const mode = FailureMode.VALIDATION;
const messageOf = (message: string, ...ids: string[]): string =>
  signatureOf("w", "a", { mode, message }, ids).message;

test("ids of the run itself do not tell failures apart", () => {
  const of = (runId: string): string =>
    signatureOf("w", "a", { mode, message: `the input of run ${runId} at /rows is null, not an array` }, [
      runId,
    ]).id;
  expect(new Set(["june", "orders-today", "r7", "a_b", "the"].map(of)).size).toBe(1);
});

test.each([
  ["of a child", "run june-sub-ab12 of leaf did not end", ["june"], "run <id> of leaf did not end"],
  ["in a handler's message", "no file for orders-today!", ["orders-today"], "no file for <id>!"],
  [
    "that is a word: it stays one, but where it is named as a run's",
    "could not load run load",
    ["load"],
    "could not load run <id>",
  ],
  ["that is a part of another word", "reorders-today", ["orders-today"], "reorders-today"],
  ["of none", "could not load rows", [], "could not load rows"],
])("an id %s", (_, message, ids, normal) => {
  expect(messageOf(message, ...ids)).toBe(normal);
});

test.each([2, 4, 50, 60, 94, 95, 96, 116, 117, RUN_ID_CHARS_MAX])(
  "children of a run with an id of %i characters, and theirs, tell no failures apart",
  (length) => {
    const runId = "r1".padEnd(length, "-night").slice(0, length);
    const child = childRunId(runId, "load", 2);
    for (const id of [runId, child, childRunId(child, "sub", 1)])
      expect(messageOf(`run ${id} of leaf did not end, ${id}`, runId)).toBe(
        "run <id> of leaf did not end, <id>",
      );
  },
);

test("what it says is read as itself", () => {
  const once = messageOf("the input of run june at /rows", "june");
  expect(messageOf(once, "june")).toBe(once);
});
