/** The thread that inputs are checked on which may take long. Answers each job in its order; knows nothing of time. */
import { parentPort } from "node:worker_threads";
import type { CheckAnswer, CheckJob } from "./check-pool.js";
import { type Check, compileSchema } from "./schema-check.js";

/** Compiled schemas kept, the one used longest ago first. */
const SCHEMAS_MAX = 100;
const checks = new Map<string, Check>();

function checkOf(schema: string): Check {
  const check = checks.get(schema) ?? compileSchema(schema).check;
  checks.delete(schema);
  checks.set(schema, check);
  if (checks.size > SCHEMAS_MAX) {
    const [oldest] = checks.keys();
    if (oldest !== undefined) checks.delete(oldest);
  }
  return check;
}

parentPort?.on("message", ({ id, schema, input }: CheckJob) => {
  const answer: CheckAnswer = { id, problems: checkOf(schema)(input) };
  parentPort?.postMessage(answer);
});
// What the first check of a thread costs more than others is not the first input's fault.
for (const $schema of [
  "http://json-schema.org/draft-07/schema#",
  "https://json-schema.org/draft/2020-12/schema",
])
  compileSchema(JSON.stringify({ $schema, pattern: "(a|b)+" })).check("a");
parentPort?.postMessage({ id: 0, problems: [] } satisfies CheckAnswer);
