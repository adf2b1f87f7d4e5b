/**
 * Measures the compiled codec against protobuf-es on a ten-field message with a repeated nested message,
 * and prints JSON. Run with: npx tsx test/bench/codec.ts
 *
 * Does not measure: garbage collection under a full heap, large payloads (memory speed), first use
 * (compilation of a message type costs about a millisecond), the fall-back for proto2.
 */
import {
  create,
  createFileRegistry,
  type DescMessage,
  fromBinary,
  type Message,
  toBinary,
} from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { decode, decodeView, encode, init } from "@holdfast/proto/codec";

const item = create(DescriptorProtoSchema, {
  name: "Item",
  field: [
    { name: "key", number: 1, type: Type.STRING, label: Label.OPTIONAL },
    { name: "attempt", number: 2, type: Type.UINT32, label: Label.OPTIONAL },
    { name: "done", number: 3, type: Type.BOOL, label: Label.OPTIONAL },
  ],
});
const task = create(DescriptorProtoSchema, {
  name: "Task",
  field: [
    { name: "run_id", number: 1, type: Type.STRING, label: Label.OPTIONAL },
    { name: "action", number: 2, type: Type.STRING, label: Label.OPTIONAL },
    { name: "attempt", number: 3, type: Type.UINT32, label: Label.OPTIONAL },
    { name: "at_ns", number: 4, type: Type.INT64, label: Label.OPTIONAL },
    { name: "epoch", number: 5, type: Type.UINT64, label: Label.OPTIONAL },
    { name: "paused", number: 6, type: Type.BOOL, label: Label.OPTIONAL },
    { name: "input", number: 7, type: Type.BYTES, label: Label.OPTIONAL },
    { name: "weight", number: 8, type: Type.DOUBLE, label: Label.OPTIONAL },
    { name: "items", number: 9, type: Type.MESSAGE, typeName: ".bench.Item", label: Label.REPEATED },
    { name: "trace", number: 10, type: Type.STRING, label: Label.OPTIONAL },
  ],
});
const file = create(FileDescriptorProtoSchema, {
  name: "bench.proto",
  package: "bench",
  syntax: "proto3",
  messageType: [item, task],
});
const registry = createFileRegistry(file, () => undefined);

function schemaOf(name: string): DescMessage {
  const schema = registry.getMessage(`bench.${name}`);
  if (schema === undefined) throw new Error(`no message ${name}`);
  return schema;
}
const Item = schemaOf("Item");
const Task = schemaOf("Task");

const items = [1, 2, 3].map((n) => ({ key: `item-${n}`, attempt: n, done: n === 2 }));
const fields = {
  runId: "01JCXK5Z7Q8N3M2P4R6S8T0V1W",
  action: "send-invoice",
  attempt: 3,
  atNs: 1_763_695_740_123_456_789n,
  epoch: 42n,
  paused: true,
  input: new TextEncoder().encode('{"customer":4711,"amount":"19.90"}'),
  weight: 0.75,
  trace: "4bf92f3577b34da6a3ce929d0e0e4736",
};
const message: Message = create(Task, { ...fields, items });
const bytes = toBinary(Task, message);
const withItems = { ...fields, items: items.map((one) => create(Item, one)) };
const sink: unknown[] = [undefined];

const ROUNDS = 7;
const CALLS = 60_000;

/** Nanoseconds a call: the best of several rounds, the first of which warm up. */
function nanoseconds(work: () => unknown): number {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < CALLS; i++) sink[0] = work();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / CALLS);
  }
  return Math.round(best);
}

function compare(ours: () => unknown, theirs: () => unknown) {
  const reference = nanoseconds(theirs);
  const compiled = nanoseconds(ours);
  return {
    compiledNs: compiled,
    protobufEsNs: reference,
    ratio: Math.round((reference / compiled) * 10) / 10,
  };
}

const result = {
  node: process.version,
  messageBytes: bytes.length,
  encode: compare(
    () => encode(Task, message),
    () => toBinary(Task, message),
  ),
  decode: compare(
    () => decode(Task, bytes),
    () => fromBinary(Task, bytes),
  ),
  decodeView: compare(
    () => decodeView(Task, bytes),
    () => fromBinary(Task, bytes),
  ),
  init: compare(
    () => init(Task, withItems),
    () => create(Task, withItems),
  ),
};
console.log(JSON.stringify(result, undefined, 2));
