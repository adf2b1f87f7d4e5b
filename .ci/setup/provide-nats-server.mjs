/** Finds a nats-server that Holdfast can use, or fetches one into `.tools/`. */
import {
  explainUnusable,
  MIN_SERVER_VERSION,
  serverCandidates,
} from "../../libs/nats/src/managed-server/locate.mjs";
import { canFetchFromDebian, fetchFromDebian } from "./fetch-debian-nats-server.mjs";
import { SetupError } from "./run.mjs";

function installAdvice() {
  const install =
    process.platform === "darwin"
      ? "brew install nats-server"
      : "install the package `nats-server` with your system's package manager";
  return (
    `To go on: ${install}, or name a binary with HOLDFAST_NATS_SERVER, ` +
    "or a running server with HOLDFAST_NATS_URL. Then run this again."
  );
}

export async function provideNatsServer({ progress, withServer = false }) {
  if (process.env.HOLDFAST_NATS_URL && !withServer) return undefined;
  const candidates = serverCandidates();
  if (candidates.at(-1)?.usable) return undefined;

  const complaints = explainUnusable(candidates);
  if (process.env.HOLDFAST_NATS_SERVER) {
    throw new SetupError(`HOLDFAST_NATS_SERVER: ${complaints.join("; ")}.\n${installAdvice()}`);
  }
  if (!canFetchFromDebian()) {
    const found = complaints.length > 0 ? `${complaints.join("; ")}.` : "no nats-server was found.";
    throw new SetupError(
      `${found} Holdfast needs nats-server ${MIN_SERVER_VERSION} or newer.\n${installAdvice()}`,
    );
  }
  return fetchFromDebian(progress);
}
