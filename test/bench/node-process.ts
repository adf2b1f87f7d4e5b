/** A node as `services/workflow` runs one, in a process of its own. */
import { connectNats } from "@holdfast/nats";
import { createLogger } from "@holdfast/telemetry";
import { startNode } from "@holdfast/workflow-service";
import { collectGarbage, liveMemory } from "./memory-use.js";
import { serveRole, settings } from "./role.js";

export interface NodeSettings {
  readonly url: string;
  readonly dataDir: string;
  readonly partitions: number;
}

const { url, dataDir, partitions } = settings() as NodeSettings;
const logger = createLogger({ name: "bench-node", level: "warn" });
const cluster = await connectNats({
  servers: url,
  name: "bench-node",
  partitions,
  syncsAlways: true,
  logger,
});
const node = await startNode({ cluster, dataDir, nodeId: "node-bench0001", logger });
const broken = node.describe().filter((status) => status.problem !== "");
if (broken.length > 0)
  throw new Error(`partitions stopped: ${broken.map(({ problem }) => problem).join("; ")}`);

const IDLE_LOOKS = 600;
const IDLE_PAUSE_MS = 100;

/** Resolves once no task waits or is under way. */
async function idle(): Promise<void> {
  for (let look = 0; look < IDLE_LOOKS; look++) {
    const tasks = node.describe().reduce((sum, status) => sum + status.readyTasks + status.inFlightTasks, 0);
    if (tasks === 0) return;
    await new Promise((resolve) => setTimeout(resolve, IDLE_PAUSE_MS));
  }
  throw new Error(`the node still has tasks after ${(IDLE_LOOKS * IDLE_PAUSE_MS) / 1_000} s`);
}

serveRole({ memory: collectGarbage, live: liveMemory, idle }, async () => {
  await node.stop();
  await cluster.close();
});
