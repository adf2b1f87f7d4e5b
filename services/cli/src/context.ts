/** What every command gets: where to write and how, and the admin service that answers. */
import { userInfo } from "node:os";
import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { AdminService } from "@holdfast/proto";
import { createClient, type RpcClient, type RpcCode, RpcError } from "@holdfast/rpc";
import { CliError, ExitCode } from "./exit-codes.js";
import type { CliIo } from "./io.js";
import { type Screen, colourStyle, plainStyle, screenWidth, wantsColour } from "./render/style.js";

/** Where `holdfast dev` listens, and where the other commands look, unless told otherwise. */
export const DEFAULT_ADMIN_ADDRESS = "127.0.0.1:7460";
/** After a call failed: how long it may take to find out whether there is a connection at all. */
const CONNECTED_MS_MAX = 100;
const NO_ANSWER: ReadonlySet<RpcCode> = new Set(["UNAVAILABLE", "DEADLINE_EXCEEDED"]);

export type AdminClient = RpcClient<typeof AdminService>["call"];

export interface GlobalOptions {
  /** `host:port`; absent: HOLDFAST_ADMIN, else the default. */
  readonly admin?: string;
  readonly json?: boolean;
}

export interface CommandContext {
  readonly io: CliIo;
  readonly json: boolean;
  readonly adminAddress: string;
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
  const adminAddress = options.admin ?? io.env["HOLDFAST_ADMIN"] ?? DEFAULT_ADMIN_ADDRESS;
  const command = commandLine(io, options);
  return {
    io,
    json: options.json === true,
    adminAddress,
    screen: () => screenOf(io, command),
    print: (lines) => io.write(lines.map((line) => `${line}\n`).join("")),
    printJson: (schema, message) => io.write(`${JSON.stringify(asJson(schema, message), null, 2)}\n`),
    printJsonLine: (schema, message) => io.write(`${JSON.stringify(asJson(schema, message))}\n`),
    withAdmin: (use) => withAdmin(adminAddress, use),
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
  const admin = options.admin === undefined ? "" : ` --admin ${options.admin}`;
  return (args) => `${program}${admin} ${args}`;
}

function asJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): unknown {
  return toJson(schema, message, { alwaysEmitImplicit: true });
}

async function withAdmin<T>(address: string, use: (admin: AdminClient) => Promise<T>): Promise<T> {
  const client = createClient(AdminService, address, { user: userName() });
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
    throw new CliError(
      ExitCode.unreachable,
      `No admin service answers at ${address}. Start one with \`holdfast dev\`, or name another with --admin or HOLDFAST_ADMIN.`,
      { cause: error },
    );
  } finally {
    client.close();
  }
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
export const isNotFound = (error: unknown): boolean =>
  error instanceof RpcError && error.code === "NOT_FOUND";
