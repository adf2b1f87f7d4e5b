import { expect, test } from "vitest";
import { BREAKER_KEY_CHARS_MAX } from "../limits.js";
import { breakerOf, fail, scene } from "../testing/breaker-scene.js";
import { inline, start } from "../testing/build.js";
import { keptKey } from "./name.js";

test("keys that begin alike have breakers of their own, however long they are", () => {
  const partition = scene({ key: "/shop" });
  const head = "https://shop.example/".padEnd(200, "x");
  for (const [run, shop] of [
    ["a1", `${head}/one`],
    ["a2", `${head}/one`],
    ["b1", `${head}/two`],
  ] as const)
    partition.send(start(run, "pay", { input: inline({ shop }) }));
  fail(partition, "a1");
  fail(partition, "a2");
  fail(partition, "b1");
  expect(partition.view.keysOf("B")).toHaveLength(2);
  const key = keptKey(`${head}/one`);
  expect(key.length).toBe(BREAKER_KEY_CHARS_MAX);
  expect(key.startsWith("https://shop.example/xxx")).toBe(true);
  expect(breakerOf(partition, key)).toBeDefined();
  partition.send(start("b2", "pay", { input: inline({ shop: `${head}/two` }) }));
  expect(partition.status("b2", "charge")).toBe("RUNNING");
  partition.send(start("a3", "pay", { input: inline({ shop: `${head}/one` }) }));
  expect(partition.status("a3", "charge")).toBe("WAITING");
});
