/**
 * A `nats-server` child process for one machine: loopback, JetStream with every append synced, its own
 * store folder.
 *
 * 1. It ends with this process, however this process ends (supervisor.ts).
 * 2. One live server to a store folder: a second start is refused, from any process.
 * 3. Resolved means ready: JetStream has recovered its streams and answers.
 */
import { createHash } from "node:crypto";
import { access, constants, mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve as resolvePath } from "node:path";
import { renderConfig } from "./config.js";
import { ManagedServerError } from "./errors.js";
import { findNatsServer } from "./find-nats-server.js";
import { readPort, waitForJetStream } from "./readiness.js";
import { LOCKED_EXIT_CODE, type SupervisedServer, superviseServer } from "./supervisor.js";

export type ServerLogLevel = "debug" | "info" | "warn" | "error";

export interface ManagedNatsServerOptions {
  /** Made if missing; holds `jetstream/`, the configuration, the lock. */
  storeDir: string;
  /** 0 or absent: a free one. */
  port?: number;
  /** Each line that the server logs, without its time and process id. */
  log?: (level: ServerLogLevel, message: string) => void;
  /** Absent: found by `findNatsServer`. */
  serverPath?: string;
  maxPayloadBytes?: number;
  /**
   * What all streams together may reserve. The default is far above any disk on purpose: streams reserve
   * their `max_bytes`, and each has its own limit; the server's default of 75 % of the free disk would
   * refuse streams that are nowhere near full.
   */
  maxFileStoreBytes?: number;
  /** How long recovery of the streams may take. */
  startTimeoutMs?: number;
}

export interface ServerExit {
  /** As a shell gives it: 128 + the signal's number when a signal ended it. */
  code: number;
  /** It ended because `stop` or `kill` was called. */
  expected: boolean;
}

export interface ManagedNatsServer {
  readonly url: string;
  readonly port: number;
  /** The server's own process id. */
  readonly pid: number;
  readonly version: string;
  readonly storeDir: string;
  /** Resolves when the process has ended, for whatever reason; never rejects. */
  readonly exited: Promise<ServerExit>;
  /** Ends it cleanly (SIGKILL after 10 s). Safe to call again. */
  stop(): Promise<void>;
  /** SIGKILL, as a crash would; wait for `exited` before starting another on the folder. */
  kill(): void;
}

const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;
const MAX_FILE_STORE_BYTES = 1024 ** 4;
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;
const LOG_LINES_KEPT = 20;

const LEVELS: Readonly<Record<string, ServerLogLevel>> = {
  DBG: "debug",
  TRC: "debug",
  INF: "info",
  WRN: "warn",
  ERR: "error",
  FTL: "error",
};

async function prepareStore(storeDir: string): Promise<void> {
  try {
    await mkdir(storeDir, { recursive: true });
    await access(storeDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new ManagedServerError(
      "store-not-writable",
      `The store folder ${storeDir} can't be written to: make it writable for this user, or name another folder.`,
      { storeDir },
      { cause },
    );
  }
}

/** A busy port is found here, before a server fails on it, so that no log text has to be understood. */
function checkPortFree(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (cause: NodeJS.ErrnoException) => {
      const what =
        cause.code === "EADDRINUSE" ? "is in use by another process" : `can't be used (${cause.code})`;
      reject(
        new ManagedServerError(
          "port-in-use",
          `Port ${port} on 127.0.0.1 ${what}: end that process, or choose another port (0 picks a free one).`,
          { port },
          { cause },
        ),
      );
    });
    probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => probe.close(() => resolve()));
  });
}

function serverLog(log: ManagedNatsServerOptions["log"]) {
  const tail: string[] = [];
  return {
    tail,
    onLine(line: string): void {
      const match = /^\[\d+\] \S+ \S+ \[([A-Z]{3})\] (.*)$/.exec(line);
      const message = match?.[2] ?? line;
      tail.push(message);
      if (tail.length > LOG_LINES_KEPT) tail.shift();
      log?.(LEVELS[match?.[1] ?? "ERR"] ?? "info", message);
    },
  };
}

async function explainEarlyEnd(
  storeDir: string,
  lockPath: string,
  exit: { code: number },
  tail: readonly string[],
): Promise<ManagedServerError> {
  if (exit.code === LOCKED_EXIT_CODE) {
    const pid = Number((await readFile(lockPath, "utf8").catch(() => "")).trim()) || undefined;
    const holder = pid === undefined ? "another nats-server" : `nats-server with process id ${pid}`;
    return new ManagedServerError(
      "store-in-use",
      `The store folder ${storeDir} is in use by ${holder}: stop that one first, or name another folder.`,
      { storeDir, pid },
    );
  }
  const logged = tail.length > 0 ? `It logged:\n  ${tail.join("\n  ")}` : "It logged nothing.";
  return new ManagedServerError("start-failed", `nats-server ended while it started. ${logged}`, {
    storeDir,
    exit,
  });
}

/** The running server's process and port, or the reason there is none. Leaves no process behind when it throws. */
async function waitUntilReady(
  supervised: SupervisedServer,
  storeDir: string,
  startTimeoutMs: number,
): Promise<{ pid: number; port: number } | "ended" | "timed-out"> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), startTimeoutMs);
  void supervised.exited.then(() => abort.abort());
  try {
    const pid = await supervised.pid;
    const port = await readPort(storeDir, pid, abort.signal);
    await waitForJetStream(`nats://127.0.0.1:${port}`, abort.signal);
    return { pid, port };
  } catch {
    const { exitCode, signalCode } = supervised.supervisor;
    return exitCode === null && signalCode === null ? "timed-out" : "ended";
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a server and resolves when it is ready. Throws ManagedServerError. */
export async function startNatsServer(options: ManagedNatsServerOptions): Promise<ManagedNatsServer> {
  const storeDir = resolvePath(options.storeDir);
  const startTimeoutMs = options.startTimeoutMs ?? START_MS_MAX;
  const binary = findNatsServer({ serverPath: options.serverPath });
  await prepareStore(storeDir);
  if (options.port) await checkPortFree(options.port);

  // The same at every start on a folder, and different between folders.
  const serverName = `holdfast-${createHash("sha256").update(storeDir).digest("hex").slice(0, 12)}`;
  const lockPath = join(storeDir, "nats-server.lock");
  const log = serverLog(options.log);
  const supervised = superviseServer({
    serverPath: binary.path,
    lockPath,
    configPath: join(storeDir, "nats-server.conf"),
    config: renderConfig({
      serverName,
      port: options.port ?? 0,
      storeDir,
      maxPayloadBytes: options.maxPayloadBytes ?? MAX_PAYLOAD_BYTES,
      maxFileStoreBytes: options.maxFileStoreBytes ?? MAX_FILE_STORE_BYTES,
    }),
    onLogLine: (line) => log.onLine(line),
  });
  const { supervisor } = supervised;

  const ready = await waitUntilReady(supervised, storeDir, startTimeoutMs);
  if (typeof ready === "string") {
    supervisor.stdin?.destroy();
    const exit = await supervised.exited;
    if (ready === "ended") throw await explainEarlyEnd(storeDir, lockPath, exit, log.tail);
    throw new ManagedServerError(
      "start-failed",
      `nats-server was not ready within ${startTimeoutMs} ms. It logged:\n  ${log.tail.join("\n  ")}`,
      { storeDir, startTimeoutMs },
    );
  }

  const { pid, port } = ready;
  let running = true;
  let asked = false;
  const exited = supervised.exited.then((exit): ServerExit => {
    running = false;
    return { ...exit, expected: asked };
  });
  // The server must not keep this process alive; it ends with it.
  const handles = [supervisor, supervisor.stdin, supervisor.stdout, supervisor.stderr] as unknown as {
    ref(): void;
    unref(): void;
  }[];
  for (const handle of handles) handle.unref();

  const signal = (name: NodeJS.Signals): void => {
    asked = true;
    if (!running) return;
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };

  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    pid,
    version: binary.version,
    storeDir,
    exited,
    async stop() {
      signal("SIGTERM");
      supervisor.ref();
      const timer = setTimeout(() => signal("SIGKILL"), STOP_MS_MAX);
      await exited;
      clearTimeout(timer);
    },
    kill() {
      supervisor.ref();
      signal("SIGKILL");
    },
  };
}
