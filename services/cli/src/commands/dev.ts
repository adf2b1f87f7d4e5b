/** `holdfast dev`: everything on one machine, until it is told to stop. */
import { resolve } from "node:path";
import { ADMIN_ADDRESS_DEFAULT } from "@holdfast/admin-service";
import { type NatsSettings, natsSettings } from "@holdfast/nats";
import { createLogger, Environment, type LogLevel } from "@holdfast/telemetry";
import { limitsFrom, METRICS_HOST_DEFAULT } from "@holdfast/workflow-service";
import type { CommandContext } from "../context.js";
import { CliError, ExitCode } from "../exit-codes.js";
import { type LocalHoldfast, startLocalHoldfast } from "../local/holdfast.js";
import { safeText, wrapText } from "../render/text.js";
import { VERSION } from "../version.js";

export interface DevOptions {
  readonly data?: string;
  readonly natsPort?: number;
  readonly adminPort?: number;
  readonly metricsPort?: number;
  readonly verbose?: boolean;
}

export const DATA_FOLDER_DEFAULT = ".holdfast";
export const NATS_PORT_DEFAULT = 4222;
export const ADMIN_PORT_DEFAULT = Number(ADMIN_ADDRESS_DEFAULT.split(":").at(-1));
export const METRICS_PORT_DEFAULT = 7461;

export async function runDev(context: CommandContext, options: DevOptions): Promise<ExitCode> {
  const dataDir = resolve(options.data ?? DATA_FOLDER_DEFAULT);
  const limits = limitsOf(context);
  const holdfast = await startLocalHoldfast({
    dataDir,
    natsUrl: existingNats(context),
    ...natsOf(context),
    ports: {
      nats: options.natsPort ?? NATS_PORT_DEFAULT,
      admin: options.adminPort ?? ADMIN_PORT_DEFAULT,
      metrics: options.metricsPort ?? METRICS_PORT_DEFAULT,
    },
    metricsHost: metricsHostOf(context),
    logger: localLogger(context, options.verbose === true ? "info" : "warn"),
    limits,
  }).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(ExitCode.failed, why, { cause: error });
  });
  context.print([
    ...placesOf(context, holdfast, dataDir),
    "",
    ...publishingHelp(context, holdfast),
    "",
    "Ctrl-C stops it.",
  ]);
  return runUntilTold(context, holdfast);
}

/** Stops in order once the process is interrupted or a part fails. */
async function runUntilTold(context: CommandContext, holdfast: LocalHoldfast): Promise<ExitCode> {
  const failure = await told(context, holdfast);
  await holdfast.stop();
  if (failure === undefined) context.print(["Stopped. Runs that have not ended go on at the next start."]);
  return failure === undefined ? ExitCode.done : ExitCode.failed;
}

/** Resolves, having said so, once the process is interrupted, or with what happened when a part fails. */
export async function told(context: CommandContext, holdfast: LocalHoldfast): Promise<string | undefined> {
  const { interrupted } = context.io;
  const interruption = new Promise<undefined>((wake) => {
    if (interrupted.aborted) wake(undefined);
    interrupted.addEventListener("abort", () => wake(undefined), { once: true });
  });
  const failure = await Promise.race([interruption, holdfast.failed]);
  if (failure === undefined) context.print(["", "Stopping; a second Ctrl-C ends it at once."]);
  else context.io.writeError(`holdfast: ${safeText(failure)}; stopping.\n`);
  return failure;
}

/** What of the node's limits the environment sets. */
const limitsOf = (context: CommandContext): ReturnType<typeof limitsFrom> => fromEnv(context, limitsFrom);

/** How an existing NATS is reached, where there is one. */
export const natsOf = (context: CommandContext): { readonly nats?: NatsSettings } =>
  existingNats(context) === undefined ? {} : { nats: fromEnv(context, natsSettings) };

function fromEnv<T>({ io }: CommandContext, read: (env: Environment) => T): T {
  try {
    return read(new Environment(io.env));
  } catch (error) {
    throw new CliError(ExitCode.usage, error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

/** An empty variable counts as none. */
export const metricsHostOf = ({ io }: CommandContext): string =>
  io.env["HOLDFAST_METRICS_HOST"] || METRICS_HOST_DEFAULT;

/** An empty variable counts as none. */
export const existingNats = (context: CommandContext): string | undefined =>
  context.io.env["HOLDFAST_NATS_URL"] === "" ? undefined : context.io.env["HOLDFAST_NATS_URL"];

export const localLogger = (context: CommandContext, level: LogLevel) =>
  createLogger({
    name: "holdfast",
    level,
    pretty: context.io.stderr.isTTY === true,
    destination: { write: (line) => context.io.writeError(line) },
  });

/** Where everything is, one line each. */
export function placesOf(context: CommandContext, holdfast: LocalHoldfast, dataDir: string): string[] {
  const managed = holdfast.natsManaged ? "managed" : "yours";
  const lines = [
    `Holdfast ${VERSION} is running, with ${holdfast.partitions} partitions`,
    `  NATS     ${holdfast.natsUrl}  (nats-server ${safeText(holdfast.natsVersion)}, ${managed})`,
    `  gRPC     ${holdfast.adminAddress}  (the admin service, with health and reflection)`,
    `  metrics  ${holdfast.metricsUrl}/metrics, ${holdfast.metricsUrl}/healthz`,
    `  data     ${dataDir}`,
  ];
  const { width } = context.screen();
  for (const warning of holdfast.warnings()) {
    lines.push(
      ...wrapText(safeText(warning), width - 4).map((line, at) => (at === 0 ? `  ▲ ${line}` : `    ${line}`)),
    );
  }
  return lines;
}

function publishingHelp(context: CommandContext, holdfast: LocalHoldfast): string[] {
  const { command } = context.screen();
  const flag = holdfast.adminAddress === ADMIN_ADDRESS_DEFAULT ? "" : `--admin ${holdfast.adminAddress} `;
  return [
    "Publish work with any NATS client, once a worker has registered its workflow:",
    `  nats pub -s ${holdfast.natsUrl} holdfast.work.<workflow> '{"your":"input"}'`,
    "Look, and mend:",
    `  ${command(`${flag}workflows`)}`,
    `  ${command(`${flag}runs`)}`,
    `  ${command(`${flag}rejected`)}`,
  ];
}
