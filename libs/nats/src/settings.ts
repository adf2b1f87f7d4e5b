/**
 * How a process reaches NATS, from its environment: the same variables for every service, the SDK and the command line.
 *
 * 1. A file is read before anything connects, so that a wrong one is named at once; credentials are read anew at each connecting,
 *    so that they can be changed under a process that runs.
 * 2. Where TLS was asked for, a connection without it is refused, before any credentials are sent (errors.ts).
 */
import { readFileSync } from "node:fs";
import { PortError } from "@holdfast/engine";
import type { Environment } from "@holdfast/telemetry";
import { type Authenticator, credsAuthenticator, nkeyAuthenticator } from "nats";
import type { ConnectOptions } from "./connection.js";

export const NATS_URL_DEFAULT = "nats://127.0.0.1:4222";
const REPLICAS_MAX = 5;

/** Who a process is to NATS, and whom it trusts. Paths of files. */
export interface NatsAccess {
  /** As `nsc` makes them: a JWT and its seed. */
  readonly credsFile?: string | undefined;
  /** An nkey's seed, alone in the file. */
  readonly nkeyFile?: string | undefined;
  /** TLS; an empty object: with the system's authorities and no certificate of its own. */
  readonly tls?:
    | {
        readonly caFile?: string | undefined;
        readonly certFile?: string | undefined;
        readonly keyFile?: string | undefined;
      }
    | undefined;
}

export interface NatsSettings {
  readonly servers: readonly string[];
  readonly access: NatsAccess;
  /** Undefined: not said. */
  readonly replicas: number | undefined;
  /** How long a start waits for NATS. */
  readonly waitMs: number;
}

/**
 * `HOLDFAST_NATS_URL`, `HOLDFAST_NATS_CREDS`, `HOLDFAST_NATS_NKEY`, `HOLDFAST_NATS_CA`, `HOLDFAST_NATS_CERT` and `HOLDFAST_NATS_KEY`,
 * `HOLDFAST_REPLICAS`, `HOLDFAST_START_WAIT`. Throws an error that names the variable and what is wrong with it.
 */
export function natsSettings(env: Environment): NatsSettings {
  const servers = env.list("HOLDFAST_NATS_URL", NATS_URL_DEFAULT);
  const [caFile, certFile, keyFile] = ["HOLDFAST_NATS_CA", "HOLDFAST_NATS_CERT", "HOLDFAST_NATS_KEY"].map(
    (name) => fileOf(env, name),
  );
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new Error(
      "a certificate for NATS needs both HOLDFAST_NATS_CERT and HOLDFAST_NATS_KEY, each the path of a PEM file",
    );
  }
  const wantsTls = servers.some((server) => server.startsWith("tls://"));
  const hasFiles = caFile !== undefined || certFile !== undefined;
  const credsFile = fileOf(env, "HOLDFAST_NATS_CREDS");
  const nkeyFile = fileOf(env, "HOLDFAST_NATS_NKEY");
  if (credsFile !== undefined && nkeyFile !== undefined) {
    throw new Error(
      "HOLDFAST_NATS_CREDS and HOLDFAST_NATS_NKEY are both set; use the one that the NATS server knows",
    );
  }
  return {
    servers,
    access: { credsFile, nkeyFile, tls: wantsTls || hasFiles ? { caFile, certFile, keyFile } : undefined },
    replicas: replicasOf(env),
    waitMs: env.spanMs("HOLDFAST_START_WAIT", "60s", "0s", "1h"),
  };
}

/** What a connection is given. Throws a `PortError` `config-mismatch` where a file can't be used. */
export function natsAuth({ credsFile, nkeyFile, tls }: NatsAccess): Pick<ConnectOptions, "auth"> {
  const authenticator =
    credsFile !== undefined
      ? rereading(credsFile, "credentials", (creds) => credsAuthenticator(creds))
      : nkeyFile !== undefined
        ? rereading(nkeyFile, "an nkey's seed", (seed) => nkeyAuthenticator(trimmed(seed)))
        : undefined;
  if (authenticator === undefined && tls === undefined) return {};
  return {
    auth: {
      ...(authenticator === undefined ? {} : { authenticator }),
      ...(tls === undefined ? {} : { tls: givenOf(tls) }),
    },
  };
}

function rereading(path: string, what: string, made: (content: Uint8Array) => Authenticator): Authenticator {
  let last = readFileSync(path);
  try {
    made(last)("a nonce, for a try");
  } catch (cause) {
    throw new PortError(
      "config-mismatch",
      `${path} does not hold ${what} for NATS: name another file`,
      { path },
      { cause },
    );
  }
  return (nonce) => {
    try {
      const content = readFileSync(path);
      const answer = made(content)(nonce);
      last = content;
      return answer;
    } catch {
      // Half written, or gone for a moment: those before may still be good.
      return made(last)(nonce);
    }
  };
}

function fileOf(env: Environment, name: string): string | undefined {
  const path = env.text(name);
  if (path === undefined) return undefined;
  try {
    readFileSync(path);
    return path;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `${name} is ${JSON.stringify(path)}, which can't be read (${why}); name a file that this process may read`,
      { cause: error },
    );
  }
}

function replicasOf(env: Environment): number | undefined {
  if (env.text("HOLDFAST_REPLICAS") === undefined) return undefined;
  const replicas = env.count(
    "HOLDFAST_REPLICAS",
    1,
    REPLICAS_MAX,
    "an odd number: 1 on one server, 3 on a cluster of them",
  );
  if (replicas % 2 === 1) return replicas;
  throw new Error(
    `HOLDFAST_REPLICAS is ${replicas}; use 1, 3 or 5: an even number of copies is no safer than one less`,
  );
}

const trimmed = (seed: Uint8Array): Uint8Array =>
  new TextEncoder().encode(new TextDecoder().decode(seed).trim());

function givenOf(tls: NonNullable<NatsAccess["tls"]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tls).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
