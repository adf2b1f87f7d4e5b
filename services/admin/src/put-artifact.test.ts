/** PutArtifact over a real gRPC port: what is stored, how it is referred to, and what is refused. */
import { create } from "@bufbuild/protobuf";
import { readArtifact } from "@holdfast/core";
import { PortError } from "@holdfast/engine";
import { PayloadRefSchema } from "@holdfast/proto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type ScriptedCluster, scriptedCluster } from "./scripted-cluster.js";

let cluster: ScriptedCluster;
beforeEach(async () => {
  cluster = await scriptedCluster();
});
afterEach(() => cluster.close());

const header = (name: string, contentType = "") => ({
  part: { case: "header" as const, value: { name, contentType } },
});
const data = (text: string) => ({ part: { case: "data" as const, value: Buffer.from(text) } });
const end = (size: number) => ({ part: { case: "end" as const, value: { size: BigInt(size) } } });
type Message = ReturnType<typeof header> | ReturnType<typeof data> | ReturnType<typeof end>;

async function* sent(...messages: Message[]): AsyncGenerator<Message> {
  yield* messages;
}

it("stores the pieces as one, and gives the reference as it stands in JSON", async () => {
  const answer = await cluster.admin.putArtifact(
    sent(header("rows.jsonl"), data('{"a"'), data(":1}\n"), end(8)),
  );
  expect(answer).toMatchObject({ name: "rows.jsonl", size: 8n, contentType: "application/x-ndjson" });
  const { $artifact: facts } = JSON.parse(answer.referenceJson) as { $artifact: unknown };
  expect(readArtifact({ $artifact: facts } as never)).toEqual({
    name: "rows.jsonl",
    size: 8,
    sha256: answer.sha256,
    contentType: "application/x-ndjson",
  });
  const sha256 = Buffer.from(answer.sha256, "hex");
  const ref = create(PayloadRefSchema, { name: answer.sha256, size: 8n, sha256 });
  expect(Buffer.from(await cluster.payloads.get(ref)).toString()).toBe('{"a":1}\n');
});

it.each([
  ["scan.PDF", "", "application/octet-stream"],
  ["rows.NDJSON", "", "application/x-ndjson"],
  ["rows.jsonl", "text/plain", "text/plain"],
])("takes %s (%j) for %s, empty as it may be", async (name, contentType, expected) => {
  expect(await cluster.admin.putArtifact(sent(header(name, contentType), end(0)))).toMatchObject({
    size: 0n,
    contentType: expected,
  });
});

it.each<[string, Message[], RegExp]>([
  ["nothing", [], /^header: the first message/],
  ["bytes first", [data("x")], /^header: the first message/],
  ["two headers", [header("a"), header("b"), end(0)], /^part: between header and end/],
  ["one that was cut off", [header("a"), data("x")], /^end: it did not come/],
  [
    "one of which a part is missing",
    [header("a"), data("x"), end(2)],
    /^end\.size: 2 bytes were sent, and 1 arrived/,
  ],
  ["a path", [header("../etc/passwd"), data("x")], /^header\.name: .*not allowed/],
  ["no name", [header(""), data("x")], /^header\.name: /],
  ["a long content type", [header("a", "x".repeat(129))], /^header\.content_type: /],
])("refuses %s", async (_, messages, why) => {
  await expect(cluster.admin.putArtifact(sent(...messages))).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(why) as unknown,
  });
});

it("says that the store is away, or has no room", async () => {
  cluster.payloads.putStream = () => Promise.reject(new PortError("unavailable", "NATS is away"));
  await expect(cluster.admin.putArtifact(sent(header("a"), end(0)))).rejects.toMatchObject({
    code: "UNAVAILABLE",
  });
});
