/** Shows a run, whichever command was asked, and says by the exit code how it ended. */
import { create } from "@bufbuild/protobuf";
import { GetRunResponseSchema, RunStatus, type RunView } from "@holdfast/proto";
import { isRunTerminal, RUN_COMPLETED_STATUSES } from "@holdfast/core/shown";
import type { AdminClient, CommandContext } from "../context.js";
import { ExitCode } from "../exit-codes.js";
import { renderRun } from "../render/run.js";
import { firstFailedItems } from "./failed-items.js";

/** How many failed items of each action a dashboard shows. */
export const FAILED_ITEMS_SHOWN = 5;

export async function showRun(
  context: CommandContext,
  admin: AdminClient,
  run: RunView,
  failedItemsShown = FAILED_ITEMS_SHOWN,
): Promise<void> {
  if (context.json) {
    context.printJson(GetRunResponseSchema, create(GetRunResponseSchema, { run }));
    return;
  }
  const failed = await firstFailedItems(admin, run, failedItemsShown);
  context.print(renderRun(run, failed, context.screen()));
}

/** Of a run that was waited for. A partial result is a result, unless `strict`. */
export function exitCodeOfRun(run: RunView, strict: boolean): ExitCode {
  const status = run.summary?.status ?? RunStatus.UNSPECIFIED;
  if (!isRunTerminal(status)) return ExitCode.done;
  const good = strict ? status === RunStatus.COMPLETED : RUN_COMPLETED_STATUSES.has(status);
  return good ? ExitCode.done : ExitCode.failed;
}
