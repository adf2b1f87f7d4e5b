/** ListWorkflows and DescribeCluster: what is registered, and how the partitions and workers fare. */
import { DEFAULT_QUEUE, spanText } from "@holdfast/core";
import { DEFAULT_ENGINE_LIMITS, logRatioText, logStream } from "@holdfast/engine";
import type { CallContext } from "@holdfast/rpc";
import { type AdminParts, withinDeadline } from "./parts.js";
import type { WorkerRoster } from "./worker-roster.js";

/** A silent partition holds the answer up no longer than this. */
const STATUS_MS_MAX = 1_500;
const MINUTE_MS = 60_000n;

export async function listWorkflows(parts: AdminParts, context: CallContext) {
  const [registered, statuses] = await Promise.all([
    parts.definitions.list(),
    parts.queries.status(withinDeadline(context, parts.clock, STATUS_MS_MAX)),
  ]);
  const paused = new Map(
    statuses.flatMap((status) => status.paused.map(({ workflow, text }) => [workflow, text] as const)),
  );
  const workflows = registered.map(({ hash, definition }) => ({
    name: definition.name,
    definitionHash: hash,
    actions: definition.actions.map(({ name }) => name),
    queues: [
      ...new Set(definition.actions.map(({ queue }) => queue || definition.queue || DEFAULT_QUEUE)),
    ].toSorted(),
    inputSchema: definition.inputSchema,
    paused: paused.get(definition.name) ?? "",
  }));
  return { workflows: workflows.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** Answers even where partitions are silent: their state then says so. */
export async function describeCluster(parts: AdminParts, roster: WorkerRoster, context: CallContext) {
  const statuses = await parts.queries.status(withinDeadline(context, parts.clock, STATUS_MS_MAX));
  const partitions = statuses.map(
    ({ $typeName: _type, $unknown: _unknown, workerWarnings: _told, ...status }) => status,
  );
  const stalled = statuses
    .filter(({ retentionBehindMs }) => retentionBehindMs > DEFAULT_ENGINE_LIMITS.sweepBehindMaxMs)
    .map(
      ({ partition, owner, retentionBehindMs }) =>
        `partition ${partition} is ${spanText((retentionBehindMs / MINUTE_MS) * MINUTE_MS)} behind with pruning ended runs: look at the load, disk and log of ${owner}`,
    );
  const filling = statuses
    .filter(({ logBytes, logBytesMax }) => logBytesMax > 0n && logBytes * 10n >= logBytesMax * 8n)
    .map(
      ({ partition, logBytes, logBytesMax }) =>
        `the log of partition ${partition} is filling up (${logRatioText(Number(logBytes), Number(logBytesMax))}): give its stream ${logStream(partition)} more max_bytes before it is full`,
    );
  const workers = statuses.flatMap(({ workerWarnings }) => workerWarnings);
  return {
    ...parts.clusterInfo,
    warnings: [...parts.clusterInfo.warnings, ...stalled, ...filling, ...workers],
    partitions,
    workers: roster.workers(),
  };
}
