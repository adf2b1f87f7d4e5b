/** The ports in memory do what the real ones do. */
import { busConformance } from "../conformance/bus.js";
import { commandLogConformance } from "../conformance/command-log.js";
import { registryConformance } from "../conformance/registry.js";
import { workQueueConformance } from "../conformance/work-queue.js";
import { MemoryNetwork } from "./memory-bus.js";
import { MemoryCommandLog } from "./memory-command-log.js";
import { MemoryDefinitions, MemoryPayloads } from "./memory-registry.js";
import { MemoryWorkQueue } from "./memory-work-queue.js";

const cleanUp = async (): Promise<void> => undefined;

commandLogConformance("memory", async () => {
  let nowNs = 1_700_000_000_000_000_000n;
  const log = new MemoryCommandLog({ partitions: 2, nowNs: () => ++nowNs });
  return {
    log,
    trim: async (partition, firstSeq) => log.trim(partition, firstSeq),
    recreate: async (partition) => log.recreate(partition),
    cleanUp,
  };
});

busConformance("memory", async () => {
  const network = new MemoryNetwork();
  return { one: network.bus(), other: network.bus(), cleanUp };
});

registryConformance("memory", async () => {
  return { definitions: new MemoryDefinitions(), payloads: new MemoryPayloads(), cleanUp };
});

workQueueConformance("memory", async () => {
  const work = new MemoryWorkQueue();
  return {
    work,
    async publish(subject, data, headers = {}) {
      await work.publish({ subject, data, headers });
    },
    cleanUp,
  };
});
