/** `node --import tsx services/workflow/src/main.ts`: a node until SIGINT or SIGTERM. */
import { Environment } from "@holdfast/telemetry";
import { type NodeProcess, runNode } from "./run-node.js";

async function endWhereItFails(node: NodeProcess): Promise<void> {
  const reason = await node.failed;
  process.stderr.write(`the node ends: ${reason}\n`);
  process.exitCode = 1;
  await node.close();
}

try {
  const node = await runNode(new Environment(process.env));
  // Before it says that it is there: whoever reads that may end it at once.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void node.close());
  process.stdout.write(`node ${node.nodeId} works, metrics on ${node.metricsUrl}/metrics\n`);
  void endWhereItFails(node);
  for (const problem of node.problems) process.stderr.write(`not served: ${problem}\n`);
} catch (error) {
  process.stderr.write(`the node can't start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
