/** What somebody outside can cause a thousand times is said a few times, and counted. */
import { expect, test } from "vitest";
import { LINES_A_WINDOW, limitedLogger, MESSAGES_MAX, WINDOW_MS } from "./limited-logger.js";
import { createLogger } from "./logger.js";

function limitedAt() {
  const lines: Record<string, unknown>[] = [];
  const destination = {
    write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>),
  };
  const time = { ms: 0, leftOut: 0 };
  const logger = limitedLogger(
    createLogger({ name: "test", level: "debug", destination }),
    () => void (time.leftOut += 1),
    () => time.ms,
  );
  return { lines, logger, time };
}

test("of one message so many lines are written in a window; the next says how many were left out", () => {
  const { lines, logger, time } = limitedAt();
  for (let n = 0; n < 1_000; n++) logger.error("a message can't be read", { n });
  expect(lines.map(({ n }) => n)).toEqual(Array.from({ length: LINES_A_WINDOW }, (_, n) => n));
  expect(time.leftOut).toBe(1_000 - LINES_A_WINDOW);
  time.ms += WINDOW_MS;
  logger.error("a message can't be read", { n: "later" });
  logger.error("a message can't be read", { n: "last" });
  expect(lines.slice(LINES_A_WINDOW)).toMatchObject([
    { n: "later", leftOutBefore: 1_000 - LINES_A_WINDOW },
    { n: "last" },
  ]);
  expect(lines.at(-1)).not.toHaveProperty("leftOutBefore");
});

test("another message has lines of its own, also by way of a child, and debug and fatal have no limit", () => {
  const { lines, logger } = limitedAt();
  const child = logger.child({ worker: "worker-a" });
  for (let n = 0; n < 100; n++) child.warn("one");
  logger.warn("one");
  logger.warn("another");
  expect(lines).toHaveLength(LINES_A_WINDOW + 1);
  expect(lines[0]).toMatchObject({ msg: "one", worker: "worker-a" });
  for (let n = 0; n < 100; n++) {
    logger.debug("one");
    logger.fatal("one");
  }
  expect(lines).toHaveLength(LINES_A_WINDOW + 201);
});

test("what is remembered of messages is bounded, however many there are", () => {
  const { lines, logger } = limitedAt();
  for (let n = 0; n < MESSAGES_MAX * 3; n++) logger.info(`message ${n}`);
  expect(lines).toHaveLength(MESSAGES_MAX * 3);
});
