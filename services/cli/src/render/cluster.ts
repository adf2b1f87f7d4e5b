/** The cluster: its partitions, who works in it, and what deserves a look. */
import type { DescribeClusterResponse } from "@holdfast/proto";
import type { Screen } from "./style.js";
import { renderTable, type Row } from "./table.js";
import { countOf, formatCount, safeText, wrapText } from "./text.js";

/** In full: what is the matter and what to do does not fit into a table. */
function problemLines({ partitions }: DescribeClusterResponse, screen: Screen): string[] {
  const lines = partitions
    .filter(({ problem }) => problem !== "")
    .flatMap(({ partition, problem }) =>
      wrapText(`✗ partition ${partition}: ${safeText(problem)}`, screen.width).map((line) =>
        screen.style("bad", line),
      ),
    );
  return lines.length === 0 ? [] : [...lines, ""];
}

const silence = (ms: bigint): string => `its owner is silent for ${(Number(ms) / 1_000).toFixed(1)} s`;

export function renderCluster(cluster: DescribeClusterResponse, screen: Screen): string[] {
  const lines = [
    `Holdfast ${safeText(cluster.version)} on nats-server ${safeText(cluster.natsServerVersion)}`,
  ];
  for (const warning of cluster.warnings) {
    for (const line of wrapText(`▲ warning: ${safeText(warning)}`, screen.width))
      lines.push(screen.style("warn", line));
  }
  const partitions: Row[] = cluster.partitions.map((partition) => [
    String(partition.partition),
    { text: safeText(partition.state), tone: partition.problem === "" ? "plain" : "bad" },
    safeText(partition.owner),
    formatCount(partition.epoch),
    formatCount(partition.appliedSeq),
    formatCount(partition.lastSeq - partition.appliedSeq),
    formatCount(partition.readyTasks),
    formatCount(partition.inFlightTasks),
    partition.ownerSilentMs === 0n ? "" : { text: silence(partition.ownerSilentMs), tone: "bad" },
  ]);
  const right = "right" as const;
  lines.push(
    "",
    ...renderTable(
      [
        { title: "PART", align: right },
        { title: "STATE", shrinkTo: 8 },
        { title: "OWNER", shrinkTo: 10 },
        { title: "EPOCH", align: right, expendable: 1 },
        { title: "APPLIED", align: right, expendable: 0 },
        { title: "BEHIND", align: right },
        { title: "READY", align: right, expendable: 2 },
        { title: "RUNNING", align: right, expendable: 3 },
        { title: "" },
      ],
      partitions,
      screen,
    ),
    "",
    ...problemLines(cluster, screen),
  );
  const open = cluster.partitions.reduce((sum, { openBreakers }) => sum + openBreakers, 0);
  const held = cluster.partitions.reduce((sum, { heldActions }) => sum + heldActions, 0);
  if (open > 0)
    lines.push(
      ...wrapText(
        `▲ ${countOf(open, "circuit breaker")} not closed, holding ${countOf(held, "action")}:`,
        screen.width,
      ).map((line) => screen.style("warn", line)),
      `  ${screen.command("breakers --open")}`,
      "",
    );
  if (cluster.workers.length === 0)
    return [...lines, "No workers: nothing will be worked on until one starts."];
  const workers: Row[] = cluster.workers.map((worker) => [
    safeText(worker.worker),
    safeText(worker.queues.join(", ")),
    formatCount(worker.capacity),
    formatCount(worker.running),
    worker.draining ? { text: "draining", tone: "warn" } : "",
  ]);
  return [
    ...lines,
    ...renderTable(
      [
        { title: "WORKER" },
        { title: "QUEUES", shrinkTo: 12 },
        { title: "CAPACITY", align: right },
        { title: "RUNNING", align: right },
        { title: "" },
      ],
      workers,
      screen,
    ),
  ];
}
