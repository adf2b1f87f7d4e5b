/** Following a run until it ends, by asking again and again: quickly at first, then calmly. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RunView } from "@holdfast/proto";
import { type AdminClient, type CommandContext, isNotBegun, isNotFound } from "./context.js";
import { CliError, ExitCode, InterruptedError } from "./exit-codes.js";
import { LiveLines } from "./live-lines.js";
import { isOpen } from "./render/advice.js";
import { withId } from "./render/command.js";
import { renderProgress } from "./render/progress.js";
import { safeText, wrapText } from "./render/text.js";

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
  /** Its work is accepted and not begun, as a sentence says; asked each time. */
  readonly onNotBegun?: (sentence: string) => void;
  /** What has to be typed for a sub-command. */
  readonly command: (args: string) => string;
}

/** The run once it has ended. Throws CliError when it takes longer than allowed or is interrupted, and what GetRun fails with. */
export async function followRun(admin: AdminClient, runId: string, options: FollowOptions): Promise<RunView> {
  try {
    return await untilEnded(admin, runId, options);
  } catch (error) {
    if (!options.signal.aborted) throw error;
    throw new InterruptedError(
      `Run ${runId} goes on. Look at it: ${options.command(withId("run", runId))}; stop it: ${options.command(withId("cancel", runId))}`,
    );
  }
}

async function untilEnded(admin: AdminClient, runId: string, options: FollowOptions): Promise<RunView> {
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
        ExitCode.goesOn,
        `Run ${runId} has not ended within ${options.timeoutMs / 1_000} s. It goes on; follow it: ${options.command(withId("run", runId, "--watch"))}`,
      );
    }
    await sleep(pause, undefined, { signal: options.signal });
    pause = Math.min(ASK_EVERY_MS_MOST, pause * SLOWER_EACH_TIME);
  }
}

async function askForRun(
  admin: AdminClient,
  runId: string,
  { signal, absentMsMax = 0, command, onNotBegun }: FollowOptions,
  waitedMs: number,
): Promise<RunView | undefined> {
  try {
    return (await admin.getRun({ runId }, { signal })).run;
  } catch (error) {
    if (isNotBegun(error)) {
      onNotBegun?.(error.message);
      return undefined;
    }
    if (!isNotFound(error) || absentMsMax === 0) throw error;
    if (waitedMs < absentMsMax) return undefined;
    throw new CliError(
      ExitCode.notFound,
      `Run ${runId} is not there, ${Math.round(waitedMs / 1_000)} s after its work was handed in. See why: ${command("rejected")}`,
      { cause: error },
    );
  }
}

/** Follows with progress bars, which stay as they were at the end; in JSON mode nothing is drawn. */
export async function followWithProgress(
  context: CommandContext,
  admin: AdminClient,
  runId: string,
  given: Omit<FollowOptions, "onView" | "onNotBegun" | "command">,
): Promise<RunView> {
  const options = { ...given, command: context.screen().command };
  if (context.json) return followRun(admin, runId, options);
  const live = new LiveLines(context.io);
  const run = await followRun(admin, runId, {
    ...options,
    onView: (view) => live.draw(renderProgress(view, context.screen())),
    onNotBegun: (sentence) => live.draw(wrapText(safeText(sentence), context.screen().width)),
  });
  live.finish(renderProgress(run, context.screen()));
  return run;
}
