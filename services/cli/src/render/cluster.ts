/** The cluster: its partitions, who works in it, and what deserves a look. */
import type { DescribeClusterResponse } from "@holdfast/proto";
import type { Screen } from "./style.js";
import { renderTable, type Row } from "./table.js";
import { countOf, formatCount, safeText, wrapText } from "./text.js";

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
    formatCount(partition.appliedSeq),
    formatCount(partition.lastSeq - partition.appliedSeq),
    formatCount(partition.readyTasks),
    formatCount(partition.inFlightTasks),
    { text: safeText(partition.problem), tone: "bad" },
  ]);
  const right = "right" as const;
  lines.push(
    "",
    ...renderTable(
      [
        { title: "PART", align: right },
        { title: "STATE", shrinkTo: 8 },
        { title: "OWNER", shrinkTo: 10 },
        { title: "APPLIED", align: right },
        { title: "BEHIND", align: right },
        { title: "READY", align: right },
        { title: "RUNNING", align: right },
        { title: "PROBLEM", shrinkTo: 8 },
      ],
      partitions,
      screen,
    ),
    "",
  );
  const open = cluster.partitions.reduce((sum, { openBreakers }) => sum + openBreakers, 0);
  const held = cluster.partitions.reduce((sum, { heldActions }) => sum + heldActions, 0);
  if (open > 0)
    lines.push(
      screen.style(
        "warn",
        `▲ ${countOf(open, "circuit breaker")} not closed, holding ${countOf(held, "action")}: see \`holdfast breakers --open\``,
      ),
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
