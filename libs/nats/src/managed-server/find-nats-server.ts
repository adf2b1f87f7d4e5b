import { ManagedServerError } from "./errors.js";
import { explainUnusable, MIN_SERVER_VERSION, serverCandidates } from "./locate.mjs";

export interface FoundNatsServer {
  path: string;
  version: string;
}

const ADVICE =
  "`npm run setup` fetches one on Debian; elsewhere install the package `nats-server`, or name a binary with " +
  "HOLDFAST_NATS_SERVER, or a running server with HOLDFAST_NATS_URL.";

/**
 * The `nats-server` to run: `serverPath` if given, else HOLDFAST_NATS_SERVER, else the first new enough on
 * PATH, else the one that the set-up fetched. Throws ManagedServerError `server-not-found` or `server-unusable`.
 */
export function findNatsServer(
  options: { serverPath?: string | undefined; env?: NodeJS.ProcessEnv } = {},
): FoundNatsServer {
  const candidates = serverCandidates(options);
  const last = candidates.at(-1);
  if (last?.usable && last.version !== undefined) return { path: last.path, version: last.version };
  if (last === undefined) {
    throw new ManagedServerError("server-not-found", `No nats-server was found. ${ADVICE}`);
  }
  throw new ManagedServerError(
    "server-unusable",
    `No usable nats-server (${MIN_SERVER_VERSION} or newer): ${explainUnusable(candidates).join("; ")}. ${ADVICE}`,
    { candidates },
  );
}
