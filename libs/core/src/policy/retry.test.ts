import { FailureMode } from "@holdfast/proto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { retryPolicy } from "../testing/build.js";
import {
  askedPauseMs,
  backoffMs,
  DEFAULT_RETRY,
  nextAttemptInMs,
  resolveRetry,
  RETRY_AFTER_LIMIT_MS,
} from "./retry.js";

const still = resolveRetry(
  retryPolicy({ initialBackoffMs: 100, factorMilli: 2000, maxBackoffMs: 1000, jitterMilli: 0 }),
);
const ask = (
  mode: FailureMode,
  attempts = 1,
  policy = still,
  retryAfterMs = 0,
  retryPauseMs = 0n,
): number | undefined =>
  nextAttemptInMs(policy, {
    mode,
    attempts,
    pauseMs: askedPauseMs({ retryAfterMs, retryPauseMs }),
    key: "r/0/0",
  });

describe("backoff", () => {
  test("grows by its factor up to its maximum", () => {
    expect([1, 2, 3, 4, 5, 6, 1_000_000].map((attempt) => backoffMs(still, attempt, "k"))).toEqual([
      100, 200, 400, 800, 1000, 1000, 1000,
    ]);
  });
  test("of factor 1 stays", () => {
    const flat = { ...still, factorMilli: 1000 };
    expect([1, 2, 50].map((attempt) => backoffMs(flat, attempt, "k"))).toEqual([100, 100, 100]);
  });
  test("that can't grow is found at once, however many attempts were made", () => {
    const stuck = { ...still, initialBackoffMs: 1, factorMilli: 1001 };
    expect(backoffMs(stuck, 4_000_000_000, "k")).toBe(1);
  });
  test("stays within its jitter, is whole, and is the same for the same attempt", () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 1, max: 40 }), fc.string(), (jitterMilli, attempt, key) => {
        const policy = { ...still, jitterMilli };
        const plain = backoffMs(still, attempt, key);
        const pause = backoffMs(policy, attempt, key);
        const span = (plain * jitterMilli) / 1000;
        expect(Number.isInteger(pause) && pause >= plain - span && pause <= plain + span).toBe(true);
        expect(backoffMs(policy, attempt, key)).toBe(pause);
      }),
    );
  });
  test("differs between items, so that they don't come back all at once", () => {
    const policy = { ...still, jitterMilli: 500 };
    const pauses = Array.from({ length: 100 }, (_, item) => backoffMs(policy, 1, `r/0/${item}`));
    expect(new Set(pauses).size).toBeGreaterThan(40);
  });
});

describe("another attempt", () => {
  test("is made as long as the policy has attempts", () => {
    expect(ask(FailureMode.NETWORK, DEFAULT_RETRY.maxAttempts - 1)).toBe(200);
    expect(ask(FailureMode.NETWORK, DEFAULT_RETRY.maxAttempts)).toBeUndefined();
  });
  test("is made of retryable modes only", () => {
    expect(ask(FailureMode.TIMEOUT)).toBe(100);
    expect(ask(FailureMode.VALIDATION)).toBeUndefined();
  });
  test("is made of the modes that a policy names, and of no others", () => {
    const policy = { ...still, retryOn: [FailureMode.VALIDATION] };
    expect(ask(FailureMode.VALIDATION, 1, policy)).toBe(100);
    expect(ask(FailureMode.TIMEOUT, 1, policy)).toBeUndefined();
  });
  test("is never made of what a policy excludes, or of a terminal mode", () => {
    const policy = {
      ...still,
      retryOn: [FailureMode.TIMEOUT, FailureMode.POLICY_SECURITY],
      neverOn: [FailureMode.TIMEOUT],
    };
    expect(ask(FailureMode.TIMEOUT, 1, policy)).toBeUndefined();
    expect(ask(FailureMode.POLICY_SECURITY, 1, policy)).toBeUndefined();
  });
  test("waits as long as the dependency asked for, within a day", () => {
    expect(ask(FailureMode.RATE_LIMITED, 1, still, 5000)).toBe(5000);
    expect(ask(FailureMode.RATE_LIMITED, 1, still, 1)).toBe(100);
    // As older workers ask for it: what is beyond a day was not meant to be honoured.
    expect(ask(FailureMode.RATE_LIMITED, 1, still, 0xffff_ffff)).toBe(RETRY_AFTER_LIMIT_MS);
  });
  test("waits longer than a day where that is said, up to ten years", () => {
    const twoDaysMs = 2 * RETRY_AFTER_LIMIT_MS;
    expect(ask(FailureMode.RATE_LIMITED, 1, still, RETRY_AFTER_LIMIT_MS, BigInt(twoDaysMs))).toBe(twoDaysMs);
    expect(ask(FailureMode.RATE_LIMITED, 1, still, 0, 2n ** 64n - 1n)).toBe(315_360_000_000);
  });
});

test("what a policy leaves out is the default", () => {
  expect(resolveRetry(undefined)).toEqual(DEFAULT_RETRY);
  expect(resolveRetry(retryPolicy({}))).toEqual(DEFAULT_RETRY);
  expect(resolveRetry(retryPolicy({ jitterMilli: 0 })).jitterMilli).toBe(0);
  expect(resolveRetry(retryPolicy({ initialBackoffMs: 90_000 })).maxBackoffMs).toBe(90_000);
});
