/** A run that goes no further: what lets it go on is what is suggested, first. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ActionStatus, ActionViewSchema, RunStatus, RunViewSchema } from "@holdfast/proto";
import { expect, it } from "vitest";
import { suggestionsFor } from "./advice.js";

function suggested(
  waiting: MessageInitShape<typeof ActionViewSchema>,
  runId = "r1",
  workflowPaused = "",
): string[] {
  const action = create(ActionViewSchema, waiting);
  action.name = "ship";
  action.status = ActionStatus.WAITING;
  const summary = { runId, workflow: "films", status: RunStatus.RUNNING };
  const run = create(RunViewSchema, { summary, actions: [action], workflowPaused });
  return suggestionsFor(run).map(({ args }) => args);
}

const ALWAYS = ["run r1 --watch", "cancel r1"];

it("is sent the signal that it waits for, whatever that is called", () => {
  const of = (text: string) => ({ wait: { kind: "signal", text } });
  expect(suggested(of("paid"))).toEqual(["signal r1 paid", ...ALWAYS]);
  expect(suggested(of("paid in full"))).toContain("signal r1 'paid in full'");
  expect(suggested(of("-paid"))).toContain("signal -- r1 -paid");
  expect(suggested(of("paid"), "-r")).toContain("signal -- -r paid");
});

it("is explained by breakers, by workers, by its workflow's pause", () => {
  const held = { held: true, heldKeys: [{ key: "a", items: 2, text: "open" }] };
  expect(suggested(held)).toEqual(["breakers --open", ...ALWAYS]);
  expect(suggested({ held: true })).toEqual(["breakers --open", ...ALWAYS]);
  expect(suggested({ note: "no worker serves queue gpu" })).toEqual(["cluster", ...ALWAYS]);
  expect(suggested({}, "r1", "films is paused")).toEqual(["resume --workflow films", ...ALWAYS]);
});
