import { expect, it } from "vitest";
import { Claims } from "./claims.js";
import { Invocations } from "./invocations.js";

it("a claim that does not hold says what was found instead", () => {
  const claims = new Claims();
  claims.equal("two and two", 4, 4);
  claims.equal("items", { failed: 57 }, { failed: 58 });
  claims.holds("some were retried", false, 0n);
  expect(claims.count).toBe(3);
  expect(claims.broken.map(({ says, found }) => `${says}: ${found}`)).toEqual([
    'items: {"failed":57}, not {"failed":58}',
    'some were retried: "0"',
  ]);
});

it("invocations are counted by round, calls apart from distinct items", () => {
  const invocations = new Invocations();
  invocations.note("check", 7);
  invocations.note("check", 3);
  invocations.note("check", 3);
  invocations.nextRound();
  invocations.note("report");
  expect(invocations.of("check", 0)).toEqual({ calls: 3, items: [3, 7] });
  expect(invocations.of("check", 1)).toEqual({ calls: 0, items: [] });
  expect(invocations.of("report", 1)).toEqual({ calls: 1, items: [] });
});
