/**
 * The sorted map that a state store is compared with, and the sequences of steps that both are taken through.
 */
import {
  array,
  boolean,
  constant,
  constantFrom,
  integer,
  oneof,
  record,
  tuple,
  uint8Array,
} from "fast-check";
import type { PartitionStore, StateStore } from "../ports/index.js";

/** Few distinct chars, so that keys meet, at the ends of what a byte can be. */
const key = array(constantFrom("\x00", "\x01", "a", "b", "\x7f", "\x80", "\xfe", "\xff"), {
  maxLength: 4,
}).map((chars) => chars.join(""));
const value = uint8Array({ maxLength: 40 });

export type StoreStep =
  | { do: "write"; puts: [string, Uint8Array][]; dels: string[] }
  | { do: "get"; keys: string[] }
  | { do: "range"; from: string; to: string; limit: number; reverse: boolean }
  | { do: "reopen" };

export const storeSteps = array(
  oneof(
    {
      weight: 4,
      arbitrary: record({
        do: constant("write" as const),
        puts: array(tuple(key, value), { maxLength: 8 }),
        dels: array(key, { maxLength: 4 }),
      }),
    },
    { weight: 2, arbitrary: record({ do: constant("get" as const), keys: array(key, { maxLength: 6 }) }) },
    {
      weight: 3,
      arbitrary: record({
        do: constant("range" as const),
        from: key,
        to: key,
        limit: integer({ min: 0, max: 12 }),
        reverse: boolean(),
      }),
    },
    { weight: 1, arbitrary: record({ do: constant("reopen" as const) }) },
  ),
  { maxLength: 40 },
);

/** Takes both through the steps; what each read found, in hex, in the order of the reads. */
export async function playSteps(
  store: StateStore,
  partition: number,
  steps: readonly StoreStep[],
): Promise<{ real: string[][]; model: string[][] }> {
  const found = { real: [] as string[][], model: [] as string[][] };
  const model = new Map<string, Uint8Array>();
  let real = await store.open(partition);
  try {
    for (const step of steps) {
      if (step.do === "reopen") {
        await real.close();
        real = await store.open(partition);
      } else {
        found.real.push(await inStore(real, step));
        found.model.push(inModel(model, step));
      }
    }
  } finally {
    await real.close();
  }
  return found;
}

type ContentStep = Exclude<StoreStep, { do: "reopen" }>;

async function inStore(store: PartitionStore, step: ContentStep): Promise<string[]> {
  switch (step.do) {
    case "write":
      await store.write(step);
      return [];
    case "get":
      return (await store.getMany(step.keys)).map(hexOf);
    case "range":
      return (await store.range(step)).map(([at, content]) => `${hex(at)}=${hexOf(content)}`);
  }
}

function inModel(model: Map<string, Uint8Array>, step: ContentStep): string[] {
  switch (step.do) {
    case "write":
      for (const gone of step.dels) model.delete(gone);
      for (const [at, content] of step.puts) model.set(at, content);
      return [];
    case "get":
      return step.keys.map((at) => hexOf(model.get(at)));
    case "range": {
      const keys = [...model.keys()].filter((at) => at >= step.from && at < step.to).toSorted(byteOrder);
      if (step.reverse) keys.reverse();
      return keys.slice(0, step.limit).map((at) => `${hex(at)}=${hexOf(model.get(at))}`);
    }
  }
}

export function hex(at: string): string {
  return Buffer.from(at, "latin1").toString("hex");
}

function hexOf(content: Uint8Array | undefined): string {
  return content === undefined ? "none" : Buffer.from(content).toString("hex");
}

export function byteOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, "latin1"), Buffer.from(b, "latin1"));
}
