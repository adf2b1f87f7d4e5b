/** Approvals that wait are told and listed for as long as they do, and no longer. */
import {
  ApprovalWaitSchema,
  AttentionKind,
  type AttentionRecord,
  DecideApprovalSchema,
  WaitSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { beforeEach, expect, test } from "vitest";
import { action, batch, cancel, define, start, workflow } from "../testing/build.js";
import { checkPartition } from "../testing/invariants.js";
import { TestPartition } from "../testing/partition.js";
import { waitingText } from "../views/wait-view.js";

const asks = (prompt: string, timeoutMs = 0n) =>
  init(WaitSchema, { for: { case: "approval", value: init(ApprovalWaitSchema, { prompt, timeoutMs }) } });

let partition: TestPartition;
beforeEach(() => {
  partition = new TestPartition();
  partition.announce();
  partition.append(
    batch([
      define(
        workflow("w", [
          action("pay", { wait: asks("pay?") }),
          action("ship", { wait: asks("ship?", 60_000n) }),
        ]),
      ),
    ]),
  );
  partition.send(start("r", "w"));
});

const listed = () =>
  partition.view.keysOf("K").map((key) => partition.view.get<AttentionRecord>(key)?.attention);
const decide = (name: string, approved = true): unknown =>
  partition.control({
    case: "decideApproval",
    value: init(DecideApprovalSchema, { runId: "r", action: name, approved, who: "ann" }),
  });

test("the first is told, then the other, then none", () => {
  expect(listed()).toMatchObject([
    { kind: AttentionKind.APPROVAL, runId: "r", action: "pay", workflow: "w" },
  ]);
  expect(listed()[0]?.message).toContain("pay waits for an approval: pay?");
  expect(waitingText(partition.planOf("r"), partition.run("r"))).toBe(
    "pay waits for an approval: pay?; ship waits for an approval: ship?",
  );
  checkPartition(partition);
  decide("pay");
  expect(listed()).toMatchObject([{ action: "ship" }]);
  expect(partition.effects.some(({ kind }) => kind === "attention")).toBe(true);
  checkPartition(partition);
  decide("ship");
  expect(listed()).toEqual([]);
  checkPartition(partition);
});

test("what ends by itself, or is cancelled, asks nobody any more", () => {
  partition.pass(61_000);
  expect(listed()).toMatchObject([{ action: "pay" }]);
  checkPartition(partition);
  partition.control(cancel("r"));
  expect(listed()).toEqual([]);
  checkPartition(partition);
});
