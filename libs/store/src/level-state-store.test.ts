/** The store on LevelDB does what every state store does. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stateStoreConformance } from "@holdfast/engine/conformance";
import { LevelStateStore } from "./level-state-store.js";

stateStoreConformance("LevelDB", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "holdfast-store-"));
  return {
    store: new LevelStateStore({ dataDir }),
    cleanUp: () => rm(dataDir, { recursive: true, force: true }),
  };
});
