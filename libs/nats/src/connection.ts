/**
 * One connection to NATS: opened, watched, closed. The only place that calls `connect`.
 *
 * 1. It reconnects for ever; who cares is told after each reconnect and each loss.
 * 2. A server that is too old, or has no JetStream, is refused at once with what to do.
 */
import { PortError } from "@holdfast/engine";
import type { Logger } from "@holdfast/telemetry";
import {
  type ConnectionOptions,
  connect,
  ErrorCode,
  Events,
  type NatsConnection,
  NatsError,
  type Status,
} from "nats";
import { fromNats } from "./errors.js";

/** Compare-and-set on replicated streams has two winners before this version. */
export const SERVER_VERSION_MIN = { major: 2, minor: 10 } as const;

/** Between pings, so that a silent loss of the connection is seen within about twice this. */
const PING_INTERVAL_MS = 10_000;
const RECONNECT_WAIT_MS = 250;
const CONNECT_TIMEOUT_MS = 10_000;
/** Time that `close` gives to what is still on its way out. */
const DRAIN_TIMEOUT_MS = 5_000;

export interface ConnectOptions {
  /** `nats://host:port`, one or several of the same cluster. */
  readonly servers: string | readonly string[];
  /** Shown in the server's list of connections. */
  readonly name: string;
  readonly logger: Logger;
  /** Credentials and TLS, as the `nats` package takes them; addresses and reconnecting are ours. */
  readonly auth?: Pick<ConnectionOptions, "user" | "pass" | "token" | "tls" | "authenticator">;
}

/** A scheme that is no NATS server's; what has none, such as `host:4222`, is one. */
const SCHEMES = /^(nats:\/\/|tls:\/\/|(?![a-z][a-z0-9+.-]*:\/\/))/i;

const isSilent = (thrown: unknown): boolean =>
  thrown instanceof NatsError && thrown.code === ErrorCode.Timeout;

/** Nothing was asked for yet, so that nothing is unknown of it. A server that misses a certificate says nothing either. */
function silent(at: string, hasNoCertificate: boolean, cause: unknown): PortError {
  const certificate = hasNoCertificate
    ? "; if it asks for a client certificate, name that (HOLDFAST_NATS_CERT and HOLDFAST_NATS_KEY)"
    : "";
  return new PortError(
    "unavailable",
    `could not connect to NATS at ${at}: whatever is there did not say hello within ${CONNECT_TIMEOUT_MS / 1_000} s; check that it is a NATS server's client port (4222 unless told) and no other service, then try again${certificate}`,
    {},
    { cause },
  );
}

type Listener = () => void;

export class Connection {
  private readonly reconnected = new Set<Listener>();
  private readonly lost = new Set<Listener>();
  private up = true;

  private constructor(
    readonly nc: NatsConnection,
    readonly logger: Logger,
    readonly serverVersion: string,
    /** The largest message in bytes, headers included. */
    readonly maxPayloadBytes: number,
  ) {
    void this.watch();
  }

  static async open(options: ConnectOptions): Promise<Connection> {
    const servers = typeof options.servers === "string" ? [options.servers] : [...options.servers];
    const at = servers.map(withoutSecrets).join(", ");
    const stranger = servers.find((server) => !SCHEMES.test(server));
    if (stranger !== undefined)
      throw new PortError(
        "config-mismatch",
        `${withoutSecrets(stranger)} is no address of a NATS server: write nats://host:4222, or tls:// for TLS`,
      );
    let nc: NatsConnection;
    try {
      nc = await connect({
        ...options.auth,
        ...credentialsOf(servers),
        servers,
        name: options.name,
        maxReconnectAttempts: -1,
        reconnectTimeWait: RECONNECT_WAIT_MS,
        pingInterval: PING_INTERVAL_MS,
        timeout: CONNECT_TIMEOUT_MS,
        noAsyncTraces: true,
      });
    } catch (thrown) {
      if (!isSilent(thrown)) throw fromNats(thrown, `connect to NATS at ${at}`);
      const { tls } = options.auth ?? {};
      throw silent(at, tls !== undefined && tls !== null && tls.certFile === undefined, thrown);
    }
    const { info } = nc;
    const version = info?.version ?? "";
    const problem = versionProblem(version) ?? (info?.jetstream === true ? undefined : withoutJetStream(at));
    if (problem !== undefined) {
      await nc.close();
      throw new PortError("config-mismatch", `the NATS server at ${at} can't be used: ${problem}`, {
        version,
      });
    }
    return new Connection(nc, options.logger, version, info?.max_payload ?? 0);
  }

  get isUp(): boolean {
    return this.up && !this.nc.isClosed();
  }

  get isClosed(): boolean {
    return this.nc.isClosed();
  }

  /** Called after each reconnect, until the returned function is called. */
  onReconnect(listener: Listener): () => void {
    this.reconnected.add(listener);
    return () => this.reconnected.delete(listener);
  }

  /** Called each time the connection is lost or closed, until the returned function is called. */
  onLost(listener: Listener): () => void {
    this.lost.add(listener);
    return () => this.lost.delete(listener);
  }

  /** Sends what is queued, lets handlers finish, closes. */
  async close(): Promise<void> {
    if (this.nc.isClosed()) return;
    if (this.nc.isDraining()) {
      await this.nc.closed();
      return;
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DRAIN_TIMEOUT_MS);
    });
    // Draining while disconnected would wait for a server that may never come back.
    if (this.up) await Promise.race([this.nc.drain().catch(() => undefined), late]);
    clearTimeout(timer);
    if (!this.nc.isClosed()) await this.nc.close();
  }

  private async watch(): Promise<void> {
    for await (const status of this.nc.status()) this.note(status);
    this.up = false;
    call(this.lost, this.logger);
  }

  private note(status: Status): void {
    const fields = { event: status.type, data: String(status.data) };
    switch (status.type) {
      case Events.Disconnect:
        this.up = false;
        this.logger.warn("lost the connection to NATS; reconnecting", fields);
        call(this.lost, this.logger);
        break;
      case Events.Reconnect:
        this.up = true;
        this.logger.info("reconnected to NATS", fields);
        call(this.reconnected, this.logger);
        break;
      case Events.Error:
        this.logger.error("NATS reported an error (a slow consumer shows here too)", fields);
        break;
      case Events.LDM:
        this.logger.warn("the NATS server is about to shut down", fields);
        break;
      default:
        this.logger.debug("NATS connection event", fields);
    }
  }
}

function call(listeners: ReadonlySet<Listener>, logger: Logger): void {
  for (const listener of [...listeners]) {
    try {
      listener();
    } catch (thrown) {
      logger.error("a listener of the NATS connection failed", { err: thrown });
    }
  }
}

/** Undefined where the version will do. */
export function versionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  const enough =
    major > SERVER_VERSION_MIN.major ||
    (major === SERVER_VERSION_MIN.major && minor >= SERVER_VERSION_MIN.minor);
  if (enough) return undefined;
  const { major: needMajor, minor: needMinor } = SERVER_VERSION_MIN;
  return (
    `its version is ${version === "" ? "unknown" : version}, and Holdfast needs ${needMajor}.${needMinor} or newer ` +
    "(older ones can let two writers win a compare-and-set); upgrade nats-server"
  );
}

function withoutJetStream(at: string): string {
  return `JetStream is not enabled; start nats-server at ${at} with \`jetstream { sync_interval: always }\``;
}

/** User, password or token of the first URL that has them: the client itself reads only host and port. */
function credentialsOf(servers: readonly string[]): Pick<ConnectionOptions, "user" | "pass" | "token"> {
  for (const server of servers) {
    const url = URL.canParse(server) ? new URL(server) : undefined;
    if (url === undefined || url.username === "") continue;
    const name = decodeURIComponent(url.username);
    return url.password === "" ? { token: name } : { user: name, pass: decodeURIComponent(url.password) };
  }
  return {};
}

function withoutSecrets(server: string): string {
  return server.replace(/\/\/[^@/]*@/, "//***@");
}
