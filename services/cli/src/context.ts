/** What every command gets: where to write and how, and the admin service that answers. */
import { userInfo } from "node:os";
import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { AdminService } from "@holdfast/proto";
import { createClient, type RpcClient, type RpcCode, RpcError } from "@holdfast/rpc";
import { type AdminOptions, type AdminPlace, adminPlace } from "./admin-address.js";
import { CliError, ExitCode, usageError } from "./exit-codes.js";
import type { CliIo } from "./io.js";
import { shellWord } from "./render/command.js";
import { type Screen, colourStyle, plainStyle, screenWidth, wantsColour } from "./render/style.js";

/** After a call failed: how long it may take to find out whether there is a connection at all. */
const CONNECTED_MS_MAX = 100;
const NO_ANSWER: ReadonlySet<RpcCode> = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED"]);

export type AdminClient = RpcClient<typeof AdminService>["call"];

export interface GlobalOptions extends AdminOptions {
  readonly json?: boolean;
}

export interface CommandContext {
  readonly io: CliIo;
  readonly json: boolean;
  /** The screen as it is now. */
  screen(): Screen;
  print(lines: readonly string[]): void;
  /** One message as one JSON document, in protobuf's JSON form with every field spelled out. */
  printJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): void;
  /** The same as one line, for streams. */
  printJsonLine<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): void;
  /** Runs `use` with a connected client, and closes it. Throws CliError `unreachable` where nobody answers. */
  withAdmin<T>(use: (admin: AdminClient) => Promise<T>): Promise<T>;
}

export function createContext(io: CliIo, options: GlobalOptions): CommandContext {
  const command = commandLine(io, options);
  return {
    io,
    json: options.json === true,
    screen: () => screenOf(io, command),
    print: (lines) => io.write(lines.map((line) => `${line}\n`).join("")),
    printJson: (schema, message) => io.write(`${JSON.stringify(asJson(schema, message), null, 2)}\n`),
    printJsonLine: (schema, message) => io.write(`${JSON.stringify(asJson(schema, message))}\n`),
    withAdmin: async (use) => withAdmin(adminPlace(options, io.env), use),
  };
}

export function screenOf(io: CliIo, command: (args: string) => string): Screen {
  return {
    width: screenWidth(io.stdout, io.env),
    style: wantsColour(io.stdout, io.env) ? colourStyle : plainStyle,
    nowMs: io.nowMs(),
    command,
  };
}

/** What has to be typed for a sub-command, the way this process was started. */
export function commandLine(io: CliIo, options: GlobalOptions): (args: string) => string {
  const program = io.env["npm_lifecycle_event"] === undefined ? "holdfast" : "npm run -s holdfast --";
  const flags = [
    ["--admin", options.admin],
    ["--tls-ca", options.tlsCa],
    ["--tls-cert", options.tlsCert],
    ["--tls-key", options.tlsKey],
  ].flatMap(([flag, value]) => (value === undefined ? [] : [` ${flag} ${shellWord(value)}`]));
  return (args) => `${program}${flags.join("")} ${args}`;
}

function asJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): unknown {
  return toJson(schema, message, { alwaysEmitImplicit: true });
}

async function withAdmin<T>(place: AdminPlace, use: (admin: AdminClient) => Promise<T>): Promise<T> {
  const client = clientOf(place);
  try {
    return await use(client.call);
  } catch (error) {
    if (!(error instanceof RpcError) || !NO_ANSWER.has(error.code)) throw error;
    // The server says UNAVAILABLE too, such as for a partition without an owner; then its own words are better.
    const connected = await client.ready(CONNECTED_MS_MAX).then(
      () => true,
      () => false,
    );
    if (connected) throw error;
    throw new CliError(ExitCode.unreachable, unreachable(place, error.message), { cause: error });
  } finally {
    client.close();
  }
}

function clientOf({ address, tls }: AdminPlace): RpcClient<typeof AdminService> {
  const user = userName();
  try {
    return createClient(AdminService, address, tls === undefined ? { user } : { user, tls });
  } catch (cause) {
    throw usageError(cause instanceof Error ? `${cause.message}.` : String(cause), { cause });
  }
}

/** Why nothing could be asked. What broke the connection tells a wrong authority from a server that is not there. */
function unreachable({ address, tls }: AdminPlace, reason: string): string {
  const why = whyBroken(reason);
  if (why === "" || why.includes("ECONNREFUSED"))
    return `No admin service answers at ${address}. Start one with \`holdfast dev\`, or name another with --admin or HOLDFAST_ADMIN.`;
  const advice =
    tls === undefined
      ? `If it speaks TLS, write --admin https://${address}, with --tls-ca where its authority is not a public one.`
      : "Look at --tls-ca, --tls-cert and --tls-key; a server without TLS is http://.";
  return `No connection to the admin service at ${address}: ${why}. ${advice}`;
}

/** Of grpc-js's account of a connection, the last error alone; of OpenSSL's, its own words. */
function whyBroken(account: string): string {
  const [, last = ""] =
    /Last error: (?:Error: )?([^]*?)\s*(?:\([\dTZ:.-]+\))?\. Resolution note:/.exec(account) ?? [];
  return /^[\dA-F]+:error:[^:]*:[^:]*:[^:]*:([^:]+):/.exec(last)?.[1] ?? last;
}

/** Who asks, for what the server writes of a retry or a cancel. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a user id that has no name.
    return `uid-${process.getuid?.() ?? "unknown"}`;
  }
}

/** Whether a call failed since the thing is not there. */
export const isNotFound = (error: unknown): error is RpcError =>
  error instanceof RpcError && error.code === "NOT_FOUND";

/** What `ask` gives. Where it is about nothing that is there and a word was probably meant as a verb, the error says how that is typed. */
export async function orMeant<T>(isVerb: boolean, say: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!isVerb || !isNotFound(error)) throw error;
    throw new CliError(ExitCode.notFound, `${error.message}. ${say}`, { cause: error });
  }
}

/** Whether the run's work is accepted, and no node has begun it: it comes. */
export const isNotBegun = (error: unknown): error is RpcError =>
  isNotFound(error) && error.details["reason"] === "NOT_BEGUN";
