/**
 * The `holdfast` command as a function: arguments in, exit code out. Every error ends here, as a sentence for a person
 * or as one JSON document for a program, and as an exit code.
 */
import { RpcError } from "@holdfast/rpc";
import { Command, CommanderError } from "commander";
import { registerArtifacts } from "./commands/artifacts.js";
import { registerAttention } from "./commands/attention.js";
import { registerBreakers } from "./commands/breakers.js";
import { registerCancel, registerPause } from "./commands/control.js";
import { registerDeadLetter, registerDeadLetters } from "./commands/dead-letters.js";
import { registerFailures } from "./commands/failures.js";
import { registerItems } from "./commands/items.js";
import { registerLocal } from "./commands/local.js";
import { registerOverview } from "./commands/overview.js";
import type { Register } from "./commands/register.js";
import { registerRejected } from "./commands/rejected.js";
import { registerCheck } from "./commands/check.js";
import { registerDecisions, registerSignal } from "./commands/wake.js";
import { registerRetention } from "./commands/retention.js";
import { registerBulk } from "./commands/bulk.js";
import { registerRetry, registerRetryFailed } from "./commands/retry.js";
import { registerRun, registerRuns } from "./commands/runs.js";
import { registerSchedules } from "./commands/schedules.js";
import { registerStart } from "./commands/start.js";
import { createContext, DEFAULT_ADMIN_ADDRESS, type GlobalOptions } from "./context.js";
import { CliError, EXIT_CODE_HELP, ExitCode, exitCodeOf, INTERRUPTED } from "./exit-codes.js";
import type { CliIo } from "./io.js";
import { safeText } from "./render/text.js";
import { VERSION } from "./version.js";

const AFTER_HELP = `
${EXIT_CODE_HELP}

Environment:
  HOLDFAST_ADMIN     where the admin service is, such as 10.0.0.5:7460 (--admin wins)
  HOLDFAST_NATS_URL  an existing NATS for dev and demo, in place of one of their own
  NO_COLOR           no colours

Output: tables for people; with --json one JSON document in protobuf's JSON form, or one
line each where a command says so.`;

export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  let code: number = ExitCode.done;
  const program = new Command("holdfast")
    .description("Durable workflows on NATS and LevelDB: start runs, see what failed and why, heal it.")
    .version(VERSION, "-V, --version")
    .option(
      "--admin <host:port>",
      `the admin service; default: HOLDFAST_ADMIN, else ${DEFAULT_ADMIN_ADDRESS}`,
    )
    .option("--json", "for programs")
    .configureOutput({ writeOut: io.write, writeErr: io.writeError })
    .configureHelp({
      showGlobalOptions: true,
      ...(io.stdout.columns === undefined ? {} : { helpWidth: io.stdout.columns }),
    })
    .addHelpText("after", AFTER_HELP)
    .exitOverride();

  const register: Register = (command, action) => {
    command.exitOverride().configureOutput({ writeOut: io.write, writeErr: io.writeError });
    command.action(async () => {
      const context = createContext(io, command.optsWithGlobals<GlobalOptions>());
      type Options = Parameters<typeof action>[2];
      code = await action(context, command.processedArgs as string[], command.optsWithGlobals<Options>());
    });
  };
  registerLocal(program, register);
  registerStart(program, register);
  registerRuns(program, register);
  registerRun(program, register);
  registerItems(program, register);
  registerRetry(program, register);
  registerRetryFailed(program, register);
  registerBulk(program, register);
  registerDeadLetters(program, register);
  registerDeadLetter(program, register);
  registerCancel(program, register);
  registerPause(program, register);
  registerBreakers(program, register);
  registerSchedules(program, register);
  registerFailures(program, register);
  registerSignal(program, register);
  registerDecisions(program, register);
  registerRejected(program, register);
  registerOverview(program, register);
  registerArtifacts(program, register);
  registerCheck(program, register);
  registerAttention(program, register);
  registerRetention(program, register);

  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
    return report(error, io, argv.includes("--json"));
  }
}

function report(error: unknown, io: CliIo, json: boolean): number {
  if (io.interrupted.aborted) return INTERRUPTED;
  const message = error instanceof Error ? error.message : String(error);
  if (json) {
    const body =
      error instanceof RpcError
        ? { code: error.code, message, details: error.details }
        : { code: error instanceof CliError ? codeNameOf(error.exitCode) : "INTERNAL", message, details: {} };
    io.writeError(`${JSON.stringify({ error: body })}\n`);
  } else io.writeError(`holdfast: ${safeText(message)}\n`);
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof RpcError) return exitCodeOf(error.code);
  // Neither expected nor explained: whoever mends it needs to know where.
  if (!json && error instanceof Error && error.stack !== undefined) io.writeError(`${error.stack}\n`);
  return ExitCode.failed;
}

function codeNameOf(exitCode: ExitCode): string {
  switch (exitCode) {
    case ExitCode.usage:
      return "INVALID_ARGUMENT";
    case ExitCode.unreachable:
      return "UNAVAILABLE";
    case ExitCode.notFound:
      return "NOT_FOUND";
    case ExitCode.refused:
      return "FAILED_PRECONDITION";
    case ExitCode.done:
    case ExitCode.failed:
      return "FAILED";
  }
}
