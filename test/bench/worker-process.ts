/** A worker as a user would have one: the SDK's, with all of the bench's workflows, in a process of its own. */
import { createWorker, Holdfast } from "@holdfast/sdk";
import { createLogger } from "@holdfast/telemetry";
import { collectGarbage, liveMemory } from "./memory-use.js";
import { type ConnectSettings, serveRole, settings } from "./role.js";
import { all, cause } from "./workflows.js";

const { url } = settings() as ConnectSettings;
const logger = createLogger({ name: "bench-worker", level: "warn" });
const connection = await Holdfast.connect({ url, name: "bench-worker", logger });
const worker = await createWorker({ connection, workflows: all });

const mend = (mended: boolean): void => {
  cause.mended = mended;
};

serveRole({ memory: collectGarbage, live: liveMemory, mend }, async () => {
  await worker.stop();
  await connection.close();
});
