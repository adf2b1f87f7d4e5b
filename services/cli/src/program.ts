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
import { registerRestart } from "./commands/restart.js";
import { registerRetention } from "./commands/retention.js";
import { registerBulk } from "./commands/bulk.js";
import { registerRetry, registerRetryFailed } from "./commands/retry.js";
import { registerRun, registerRuns } from "./commands/runs.js";
import { registerSchedules } from "./commands/schedules.js";
import { registerStart } from "./commands/start.js";
import { DEFAULT_ADMIN_ADDRESS } from "./admin-address.js";
import { createContext, type GlobalOptions, isNotBegun } from "./context.js";
import {
  CliError,
  EXIT_CODE_HELP,
  ExitCode,
  exitCodeOf,
  INTERRUPTED,
  InterruptedError,
  usageError,
} from "./exit-codes.js";
import type { CliIo } from "./io.js";
import { shellWord } from "./render/command.js";
import { safeText } from "./render/text.js";
import { VERSION } from "./version.js";
import { wordedMessage } from "./worded-error.js";

const AFTER_HELP = `
Examples:
  holdfast runs --failed                       what failed, the newest first
  holdfast run <id>                            one run, why it failed, and what to type next
  holdfast retry <id> --wait                   run again what failed of it, and wait
  holdfast retry-failed --workflow <name>      the same for every failed run of a workflow
  holdfast start <workflow> --input '{"a":1}' --wait
  holdfast attention --watch                   what needs a person, as it happens

${EXIT_CODE_HELP}

Environment:
  HOLDFAST_ADMIN     where the admin service is, such as 10.0.0.5:7460 (--admin wins)
  HOLDFAST_TLS_CA, HOLDFAST_TLS_CERT, HOLDFAST_TLS_KEY
                     as --tls-ca, --tls-cert and --tls-key
  HOLDFAST_NATS_URL  an existing NATS for dev and demo, in place of one of their own
  NO_COLOR           no colours

Output: tables for people; with --json one JSON document in protobuf's JSON form, or one
line each where a command says so.`;

export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  let code: number = ExitCode.done;
  const json = wantsJson(argv);
  const output = {
    writeOut: io.write,
    // As JSON it is said once, where everything that fails is.
    writeErr: json
      ? () => {}
      : (text: string) => io.writeError(dashHint(argv, text.replace(/^error: /, "holdfast: "))),
  };
  const program = new Command("holdfast")
    .description("Durable workflows on NATS and LevelDB: start runs, see what failed and why, heal it.")
    .version(VERSION, "-V, --version")
    .option(
      "--admin <host:port>",
      `the admin service, or https://host:port; default: HOLDFAST_ADMIN, else ${DEFAULT_ADMIN_ADDRESS}`,
    )
    .option("--tls-ca <file>", "PEM file of the authority that its certificate is from (HOLDFAST_TLS_CA)")
    .option("--tls-cert <file>", "PEM file of your certificate, where it asks for one (HOLDFAST_TLS_CERT)")
    .option("--tls-key <file>", "PEM file of its key (HOLDFAST_TLS_KEY)")
    .option("--json", "for programs")
    .configureOutput(output)
    .configureHelp({
      showGlobalOptions: true,
      ...(io.stdout.columns === undefined ? {} : { helpWidth: io.stdout.columns }),
    })
    .addHelpText("after", AFTER_HELP)
    .exitOverride();

  const register: Register = (command, action) => {
    command.exitOverride().configureOutput(output);
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
  registerRestart(program, register);
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
    const words = argv.filter((word, at) => !word.startsWith("-") && !isGlobalValue(argv[at - 1]));
    const [first, asked] = words;
    if (first === "help" && asked !== undefined && !names(program).includes(asked))
      throw usageError(`There is no command "${asked}": \`holdfast --help\` lists them.`);
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(error, io, json);
    if (error.exitCode === 0) return ExitCode.done;
    return json ? report(usageError(usageMessage(error)), io, json) : ExitCode.usage;
  }
}

/** Whether a program reads the errors, also those of a command line that can't be read. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end === -1 ? argv : argv.slice(0, end)).includes("--json");
}

const isGlobalValue = (before: string | undefined): boolean => /^--(admin|tls-\w+)$/.test(before ?? "");
const names = ({ commands }: Command): string[] => commands.map((command) => command.name());

const usageMessage = ({ code, message }: CommanderError): string =>
  code === "commander.help"
    ? "No command is named: `holdfast --help` lists them."
    : message.replace(/^error: /, "");

/** `holdfast run -abc`: what looks like an option may be an id. */
function dashHint(argv: readonly string[], text: string): string {
  const [, option = ""] = /unknown option '(-[\w-]+)'/.exec(text) ?? [];
  if (option === "" || option.startsWith("--") || argv.includes("--")) return text;
  return `${text.trimEnd()}\nAn id or name that begins with - stands behind --, after all options: ${["holdfast", ...argv.filter((word) => word !== option), "--", option].map(shellWord).join(" ")}\n`;
}

function report(error: unknown, io: CliIo, json: boolean): number {
  const interrupted = io.interrupted.aborted;
  // Whoever interrupts knows that it was; what goes on all the same is worth a sentence.
  if (interrupted && !(error instanceof InterruptedError)) return INTERRUPTED;
  const message =
    error instanceof RpcError ? wordedMessage(error) : error instanceof Error ? error.message : String(error);
  if (json) {
    const body =
      error instanceof RpcError
        ? { code: error.code, message, details: error.details }
        : { code: error instanceof CliError ? codeNameOf(error.exitCode) : "INTERNAL", message, details: {} };
    io.writeError(`${JSON.stringify({ error: body })}\n`);
  } else io.writeError(`holdfast: ${safeText(message)}\n`);
  if (interrupted) return INTERRUPTED;
  if (error instanceof CliError) return error.exitCode;
  if (isNotBegun(error)) return ExitCode.goesOn;
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
    case ExitCode.goesOn:
      return "DEADLINE_EXCEEDED";
    case ExitCode.done:
    case ExitCode.failed:
      return "FAILED";
  }
}
