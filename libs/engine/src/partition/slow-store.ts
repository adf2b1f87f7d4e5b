/** For tests: a state store whose ranges take their time, so that whatever may come between a question and its answer does. */
import { MemoryStateStore } from "../memory/index.js";
import type { PartitionStore, RangeOptions } from "../ports/index.js";

export class SlowStore extends MemoryStateStore {
  /** What a range waits for. */
  delay: (range: RangeOptions) => Promise<void> = () => Promise.resolve();
  /** Is told of each range, and how many rows it had. */
  read: (range: RangeOptions, rows: number) => void = () => undefined;

  override async open(partition: number): Promise<PartitionStore> {
    const store = await super.open(partition);
    return {
      getMany: (keys) => store.getMany(keys),
      getSync: (key) => store.getSync(key),
      range: async (range) => {
        const rows = await store.range(range);
        this.read(range, rows.length);
        await this.delay(range);
        return rows;
      },
      count: (range) => store.count(range),
      write: (batch) => store.write(batch),
      sizeBytes: () => store.sizeBytes(),
      close: () => store.close(),
    };
  }
}

/** So many turns of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
