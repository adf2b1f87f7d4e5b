/** Of a batch with broken commands the others are read, in their order. */
import { CommandBatchSchema, CommandSchema } from "@holdfast/proto";
import { decode, DecodeError, encode, init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { startRunCommand } from "../client/index.js";
import { readBatch } from "./readable-commands.js";

const good = (runId: string): Uint8Array => encode(CommandSchema, startRunCommand({ runId, workflow: "w" }));
/** A field that says it is longer than what there is of it. */
const BROKEN = Uint8Array.of(0x0a, 0x7f, 0x01);

function batchOf(commands: readonly Uint8Array[]): Uint8Array {
  const head = encode(CommandBatchSchema, init(CommandBatchSchema, { producer: "p", commands: [] }));
  return Buffer.concat([head, ...commands.flatMap((each) => [Uint8Array.of(0x22, each.length), each])]);
}

const runsOf = (data: Uint8Array) =>
  readBatch(data).batch?.commands.map(({ kind }) => kind.case === "startRun" && kind.value.runId);

test("a broken command is left out, its neighbours are read", () => {
  const data = batchOf([good("a"), BROKEN, good("b"), BROKEN, good("c")]);
  expect(() => decode(CommandBatchSchema, data)).toThrow(DecodeError);
  expect(runsOf(data)).toEqual(["a", "b", "c"]);
  expect(readBatch(data)).toMatchObject({ unreadable: [1, 3], batch: { producer: "p" } });
  expect(runsOf(batchOf([BROKEN]))).toEqual([]);
});

test("a batch whose commands can't be told apart is not read at all", () => {
  const broken = [
    batchOf([good("a")]).subarray(0, -1),
    Uint8Array.of(0x22, 0x7f, 0x00),
    Uint8Array.of(0xff, 0xff, 0xff),
  ];
  for (const data of broken)
    expect(readBatch(data)).toEqual({ batch: undefined, problem: expect.any(DecodeError) });
});

test("a batch that can be read is read as it is", () => {
  expect(readBatch(batchOf([good("a")]))).toEqual({
    batch: decode(CommandBatchSchema, batchOf([good("a")])),
  });
});
