import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReadyQueue } from "./ready-queue.js";

interface Item {
  readonly priority: number;
  readonly workflow: string;
  readonly n: number;
}

const drain = (queue: ReadyQueue<Item>): Item[] => {
  const out: Item[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) out.push(item);
  return out;
};

const items = fc.array(
  fc.record({ priority: fc.integer({ min: -2, max: 2 }), workflow: fc.constantFrom("a", "b", "c") }),
  { maxLength: 200 },
);

describe("ready tasks", () => {
  test("leave by priority, then in turns between workflows, then by age; none is lost", () => {
    fc.assert(
      fc.property(items, (list) => {
        const queue = new ReadyQueue<Item>();
        const given = list.map((item, n) => ({ ...item, n }));
        for (const item of given) queue.push(item);
        expect(queue.size).toBe(given.length);
        const out = drain(queue);
        expect(new Set(out)).toEqual(new Set(given));
        for (let i = 1; i < out.length; i++)
          expect(out[i]?.priority).toBeLessThanOrEqual(out[i - 1]?.priority ?? 0);
        for (const priority of [-2, -1, 0, 1, 2]) {
          const level = out.filter((item) => item.priority === priority);
          for (const workflow of ["a", "b", "c"]) {
            const ages = level.filter((item) => item.workflow === workflow).map((item) => item.n);
            expect(ages).toEqual([...ages].sort((x, y) => x - y));
          }
          const left = new Map<string, number>();
          for (const { workflow } of level) left.set(workflow, (left.get(workflow) ?? 0) + 1);
          // As long as several workflows have tasks, none has two turns in a row.
          for (let i = 0; i + 1 < level.length; i++) {
            const { workflow } = level[i] as Item;
            left.set(workflow, (left.get(workflow) ?? 0) - 1);
            const others = [...left].some(([other, count]) => other !== workflow && count > 0);
            if (others) expect(level[i + 1]?.workflow).not.toBe(workflow);
          }
        }
      }),
    );
  });

  test("of workflows that are not accepted stay, in their places", () => {
    fc.assert(
      fc.property(items, fc.subarray(["a", "b", "c"]), (list, accepted) => {
        const queue = new ReadyQueue<Item>();
        const whole = new ReadyQueue<Item>();
        list.forEach((item, n) => {
          queue.push({ ...item, n });
          whole.push({ ...item, n });
        });
        const taken: Item[] = [];
        for (let item = queue.shift((w) => accepted.includes(w)); item !== undefined; ) {
          taken.push(item);
          item = queue.shift((w) => accepted.includes(w));
        }
        expect(taken.every((item) => accepted.includes(item.workflow))).toBe(true);
        const rest = drain(queue);
        expect(rest.some((item) => accepted.includes(item.workflow))).toBe(false);
        expect(taken.length + rest.length).toBe(list.length);
        for (let i = 1; i < taken.length; i++)
          expect(taken[i]?.priority).toBeLessThanOrEqual(taken[i - 1]?.priority ?? 0);
      }),
    );
  });

  test("keeps its order when tasks come and go for long", () => {
    const queue = new ReadyQueue<Item>();
    let next = 0;
    let expected = 0;
    for (let round = 0; round < 5_000; round++) {
      for (let i = 0; i < 3; i++) queue.push({ priority: 0, workflow: "a", n: next++ });
      for (let i = 0; i < 2; i++) expect(queue.shift()?.n).toBe(expected++);
    }
    expect(drain(queue).map((item) => item.n)).toEqual(
      Array.from({ length: next - expected }, (_, i) => expected + i),
    );
  });
});
