/** Rejected messages are mended: what would be rejected again is refused, what is right goes on under the message's own name. */
import { hashDefinition } from "@holdfast/core";
import { RejectCode, StartRunRequestSchema, WorkflowDefinitionSchema } from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { MemoryDefinitions } from "../memory/memory-registry.js";
import { MemoryWorkQueue, type PublishedWork } from "../memory/memory-work-queue.js";
import type { WorkMessage } from "../ports/index.js";
import type { WorkEdit } from "./edit-work.js";
import { type Replayed, replayEdited } from "./rejected-work.js";

const bytes = (text: string): Uint8Array => Buffer.from(text, "utf8");
const ann = { who: "ann", reason: "a typo" };

/** Rejects one message, has it replayed so, and gives what came of it with the message that is in the queue then. */
async function mended(
  published: Partial<PublishedWork>,
  edit: WorkEdit,
): Promise<{ replayed: Replayed; message: WorkMessage | undefined; left: number }> {
  const work = new MemoryWorkQueue();
  const definitions = new MemoryDefinitions();
  for (const name of ["orders", "letters"]) {
    const definition = init(WorkflowDefinitionSchema, { name, inputSchema: name === "orders" ? "true" : "" });
    await definitions.put({ definition, hash: hashDefinition(definition) });
  }
  const stop = new AbortController();
  const next = async (): Promise<WorkMessage | undefined> => {
    for await (const [message] of work.read(stop.signal)) return message;
    return undefined;
  };
  await work.publish({ subject: "holdfast.work.orders", data: bytes("{"), ...published });
  const first = await next();
  if (first !== undefined) await work.reject(first, RejectCode.MALFORMED, "no");
  first?.ack();
  const validator = {
    validate: (_: unknown, input: unknown) =>
      input === "bad" ? ({ ok: false, message: "it is bad" } as const) : ({ ok: true } as const),
  };
  const replayed = await replayEdited({ work, definitions, validator }, 1, edit, ann);
  const message = replayed.kind === "replayed" ? await next() : undefined;
  stop.abort();
  return { replayed, message, left: await work.countRejected() };
}

test("another input goes on as JSON, under the message's own name and with its other headers", async () => {
  const headers = { "Content-Type": "text/plain", "Nats-Msg-Id": "mine", "Holdfast-Priority": "3" };
  const { replayed, message, left } = await mended({ headers }, { input: bytes('{"a":1}') });
  expect(replayed).toMatchObject({
    kind: "replayed",
    workflow: "orders",
    runId: expect.stringMatching(/^m-/),
  });
  expect(Buffer.from(message?.data ?? []).toString()).toBe('{"a":1}');
  expect(message?.header("content-type")).toBeUndefined();
  expect([message?.header("nats-msg-id"), message?.header("holdfast-priority"), left]).toEqual([
    "mine",
    "3",
    0,
  ]);
});

test.each([
  ["a run id", { "Holdfast-Run-Id": "a b" }, { "holdfast-run-id": "a-b" }],
  ["a start time", { "Holdfast-Start-At": "tomorrow" }, { "Holdfast-Start-At": "" }],
  ["a priority", { "Holdfast-Priority": "high" }, { "Holdfast-Priority": "7" }],
  ["a content type", { "Content-Type": "text/x" }, { "Content-Type": "application/json" }],
])("what was wrong with %s is mended, and the body stays", async (_what, headers, edit) => {
  const wrong = await mended({ data: bytes("5"), headers }, { headers: { "X-Note": "y" } });
  expect([wrong.replayed.kind, wrong.left]).toEqual(["refused", 1]);
  const { replayed, message } = await mended({ data: bytes("5"), headers }, { headers: edit });
  expect(replayed.kind).toBe("replayed");
  expect(Buffer.from(message?.data ?? []).toString()).toBe("5");
});

test("of a protobuf body only what is named changes", async () => {
  const body = { workflow: "other", runId: "a b", inputJson: '"bad"', priority: 4, traceparent: "" };
  const data = encode(StartRunRequestSchema, init(StartRunRequestSchema, body));
  const headers = { "Content-Type": "application/x-protobuf" };
  const edit = { input: bytes("1"), workflow: "letters", headers: { "Holdfast-Run-Id": "ab" } };
  const { replayed, message } = await mended({ data, headers }, edit);
  expect(replayed).toEqual({ kind: "replayed", workflow: "letters", runId: "ab" });
  expect(message?.subject).toBe("holdfast.work.letters");
  const sent = decode(StartRunRequestSchema, message?.data ?? new Uint8Array());
  expect(sent).toMatchObject({ workflow: "", runId: "", inputJson: "1", priority: 4 });
  // One that can't be read is JSON from now on.
  const torn = await mended({ data: bytes("\xff\xff"), headers }, { input: bytes("1") });
  expect([torn.replayed.kind, torn.message?.header("content-type")]).toEqual(["replayed", undefined]);
});

test.each([
  ["is no JSON", { input: bytes("{") }, /not usable JSON/],
  [
    "does not fit the schema",
    { input: bytes('"bad"') },
    /does not match the schema of workflow "orders": it is bad/,
  ],
  [
    "is of a workflow that nobody has",
    { input: bytes("1"), workflow: "nobody" },
    /"nobody" is not registered/,
  ],
])("what %s is refused before anything happens", async (_what, edit, reason) => {
  const { replayed, left } = await mended({}, edit);
  expect(replayed).toMatchObject({ kind: "refused", reason: expect.stringMatching(reason) });
  expect(left).toBe(1);
});
