/** BulkStep: one bounded piece of a bulk operation in its partition. One that is not the next changes nothing. */
import type { BulkStep, Command } from "@holdfast/proto";
import { foldStep } from "../../bulk/share.js";
import type { FoldContext } from "../context.js";
import type { Row } from "../scans.js";

export function bulkStep(ctx: FoldContext, command: Command, step: BulkStep, rows: readonly Row[]): void {
  foldStep(ctx, step, rows);
  ctx.accept(command, {});
}
