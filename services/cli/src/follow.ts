/** Following a run until it ends, by asking again and again: quickly at first, then calmly. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RunView } from "@holdfast/proto";
import { type AdminClient, type CommandContext, isNotFound } from "./context.js";
import { CliError, ExitCode } from "./exit-codes.js";
import { LiveLines } from "./live-lines.js";
import { isOpen } from "./render/advice.js";
import { renderProgress } from "./render/progress.js";

const ASK_EVERY_MS_FIRST = 50;
const ASK_EVERY_MS_MOST = 500;
const SLOWER_EACH_TIME = 1.15;

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Give up after this long; the run goes on. */
  readonly timeoutMs?: number | undefined;
  /** How long the run may not be there yet, such as after its work was published. */
  readonly absentMsMax?: number;
  readonly onView?: (run: RunView) => void;
}

/** The run once it has ended. Throws CliError when it takes longer than allowed, and what GetRun fails with. */
export async function followRun(admin: AdminClient, runId: string, options: FollowOptions): Promise<RunView> {
  const began = performance.now();
  let pause = ASK_EVERY_MS_FIRST;
  for (;;) {
    const run = await askForRun(admin, runId, options, performance.now() - began);
    if (run !== undefined) {
      options.onView?.(run);
      const { summary } = run;
      // A failed run that is going to be recovered by itself goes on.
      if (summary !== undefined && !isOpen(summary.status) && summary.recoverAt === undefined) return run;
    }
    if (options.timeoutMs !== undefined && performance.now() - began >= options.timeoutMs) {
      throw new CliError(
        ExitCode.failed,
        `Run ${runId} has not ended within ${options.timeoutMs / 1_000} s. It goes on; follow it with \`holdfast run ${runId} --watch\`.`,
      );
    }
    await sleep(pause, undefined, { signal: options.signal });
    pause = Math.min(ASK_EVERY_MS_MOST, pause * SLOWER_EACH_TIME);
  }
}

async function askForRun(
  admin: AdminClient,
  runId: string,
  { signal, absentMsMax = 0 }: FollowOptions,
  waitedMs: number,
): Promise<RunView | undefined> {
  try {
    return (await admin.getRun({ runId }, { signal })).run;
  } catch (error) {
    if (!isNotFound(error) || absentMsMax === 0) throw error;
    if (waitedMs < absentMsMax) return undefined;
    throw new CliError(
      ExitCode.notFound,
      `Run ${runId} is not there, ${Math.round(waitedMs / 1_000)} s after its work was handed in. See why with \`holdfast rejected\`.`,
      { cause: error },
    );
  }
}

/** Follows with progress bars, which stay as they were at the end; in JSON mode nothing is drawn. */
export async function followWithProgress(
  context: CommandContext,
  admin: AdminClient,
  runId: string,
  options: Omit<FollowOptions, "onView">,
): Promise<RunView> {
  if (context.json) return followRun(admin, runId, options);
  const live = new LiveLines(context.io);
  const run = await followRun(admin, runId, {
    ...options,
    onView: (view) => live.draw(renderProgress(view, context.screen())),
  });
  live.finish(renderProgress(run, context.screen()));
  return run;
}
