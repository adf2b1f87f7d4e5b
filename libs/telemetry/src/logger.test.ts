import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { createLogger, type LoggerOptions, silentLogger } from "./logger.js";

function capture(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const destination = { write: (line: string) => lines.push(line) };
  return { lines, logger: createLogger({ name: "node", destination, ...options }) };
}

describe("a logger", () => {
  test("writes one line of JSON with the bindings of all its parents", () => {
    const { lines, logger } = capture();
    logger.child({ run: "r1", trace: "t1" }).child({ action: "load" }).info("dispatched", { attempt: 2 });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      level: "info",
      name: "node",
      msg: "dispatched",
      run: "r1",
      trace: "t1",
      action: "load",
      attempt: 2,
    });
  });

  test("keeps an error's message, stack and cause, and whatever else was thrown", () => {
    const { lines, logger } = capture();
    logger.error("failed", { err: new Error("outer", { cause: new Error("inner") }) });
    logger.error("failed", { err: "just text" });
    const [first, second] = lines.map(
      (line) => JSON.parse(line) as { err: { message: string; stack: string } },
    );
    expect(first?.err.message).toContain("outer");
    expect(first?.err.stack).toContain("inner");
    expect(second?.err).toBe("just text");
  });

  test("takes what JSON does not: bigint, cycles", () => {
    const { lines, logger } = capture();
    const cycle: Record<string, unknown> = { sequence: 9_007_199_254_740_993n };
    cycle["self"] = cycle;
    logger.info("odd", { cycle });
    expect(lines[0]).toContain("9007199254740993");
  });

  test("leaves out what is below its level", () => {
    const { lines, logger } = capture({ level: "warn" });
    logger.info("quiet");
    logger.warn("loud");
    expect(lines).toHaveLength(1);
    expect(logger.isEnabled("info")).toBe(false);
    expect(logger.isEnabled("error")).toBe(true);
  });

  test("has written a line when the call returns, also in a process that dies next", () => {
    const source = `
      import { createLogger } from ${JSON.stringify(new URL("./logger.ts", import.meta.url).href)};
      createLogger({ name: "dying" }).fatal("last words");
      process.kill(process.pid, "SIGKILL");
    `;
    const run = spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", source], {
      encoding: "utf8",
    });
    expect(run.signal).toBe("SIGKILL");
    expect(JSON.parse(run.stderr)).toMatchObject({ level: "fatal", msg: "last words" });
    expect(run.stdout).toBe("");
  });
});

test("pretty lines show time, level, name, message and fields, then an error's stack", () => {
  const { lines, logger } = capture({ pretty: true });
  logger.warn("worker is silent", { run: "r1", reason: "lease ran out", count: 3 });
  logger.error("failed", { err: new Error("no disk") });
  expect(lines[0]).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} warn {2}node {2}worker is silent {2}run=r1 {2}reason="lease ran out" {2}count=3\n$/,
  );
  expect(lines[1]).toMatch(/error node {2}failed\n {4}Error: no disk\n {8}at /);
});

test("the silent logger is its own child and enables nothing", () => {
  expect(silentLogger.child({ run: "r" })).toBe(silentLogger);
  expect(silentLogger.isEnabled("fatal")).toBe(false);
});
