/** What a node says of itself over HTTP: whether it does its work, and what is the matter. */
import type { PartitionStatus } from "@holdfast/proto";
import type { Health } from "@holdfast/telemetry";

/** What the process does. */
export type Phase = "connecting to NATS" | "starting" | "working" | "draining";

export interface NodeHealth {
  readonly node: string;
  readonly phase: Phase;
  readonly isConnected: boolean;
  readonly warnings: readonly string[];
  readonly partitions: readonly PartitionStatus[];
}

const NO_CONNECTION =
  "there is no connection to NATS; it is made again by itself: check that nats-server runs and can be reached";

/** One sentence for each thing that is the matter. */
export function problemsOf({ phase, isConnected, partitions }: NodeHealth): string[] {
  const away = isConnected || phase === "connecting to NATS" ? [] : [NO_CONNECTION];
  return [...away, ...partitions.map(({ problem }) => problem).filter((problem) => problem !== "")];
}

/** Well: it works, and nothing is the matter. */
export function healthOf(node: NodeHealth): Health {
  const problems = problemsOf(node);
  return { ok: node.phase === "working" && problems.length === 0, details: detailsOf(node, problems) };
}

/** Ready: it works, is connected, and acts for partitions; what is the matter with one of several does not make it useless. */
export function readinessOf(node: NodeHealth): Health {
  const acts = node.partitions.some(({ state }) => state === "acting");
  const ok = node.phase === "working" && node.isConnected && acts;
  return { ok, details: detailsOf(node, problemsOf(node)) };
}

const detailsOf = ({ node, phase, warnings, partitions }: NodeHealth, problems: readonly string[]) => ({
  node,
  phase,
  problems,
  warnings,
  partitions: partitions.map(({ partition, state, owner, epoch, appliedSeq, lastSeq, ...rest }) => ({
    partition,
    phase: state,
    owner,
    epoch: Number(epoch),
    applied: Number(appliedSeq),
    lastSeq: Number(lastSeq),
    problem: rest.problem,
    ownerSilentMs: Number(rest.ownerSilentMs),
    logBytes: Number(rest.logBytes),
    logBytesMax: Number(rest.logBytesMax),
  })),
});
