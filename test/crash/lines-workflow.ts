/** A workflow over the lines of an artifact that its first action writes. Each invocation leaves a line (effects.ts). */
import { ActionError, jsonLines, typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";

export interface Row {
  readonly row: number;
  readonly padding: string;
}

/** So large that to bring the rows takes many chunks. */
export const PADDING = "x".repeat(400);
/** One of so many rows is bad for good. */
export const BAD_ROW_EVERY = 1_000;
export const isBad = (row: number): boolean => row % BAD_ROW_EVERY === BAD_ROW_EVERY - 1;

function* rows(count: number): Generator<Row> {
  for (let row = 0; row < count; row++) yield { row, padding: PADDING };
}

const retry = { maxAttempts: 10, initialBackoff: "50ms", maxBackoff: "1s" } as const;

export const importing = workflow("importing", { input: typed<{ rows: number }>() })
  .action("extract", { retry }, async ({ input }, ctx) => {
    effect(ctx.idempotencyKey);
    return { file: await ctx.putArtifact(jsonLines(rows(input.rows)), { name: "rows.jsonl" }) };
  })
  .forEach("check", { linesOf: { action: "extract", path: "file" }, retry }, ({ item, index }) => {
    if (item.row !== index) throw new ActionError("CONFLICT", `item ${index} is row ${item.row}`);
    if (isBad(item.row)) throw new ActionError("VALIDATION", `row ${item.row} is bad`);
    effect(`check ${index}`);
    return item.row;
  })
  .action("report", { after: ["check"], retry }, ({ check }) => ({
    rows: check.length,
    sum: check.reduce((sum, row) => sum + row, 0),
  }));
