/**
 * A process of its own that goes on writing numbered batches into a partition's store, until it is killed or fails.
 * Arguments: data folder, partition, how many batches (then it waits to be killed). Says on stdout, a line each:
 * `open <batches found>`, `<n>` once batch n is written, `failed <code> <code of the next write>`, `done`; or `refused <code>`
 * where the store does not open.
 */
import { type PartitionStore, PortError } from "@holdfast/engine";
import { LevelStateStore } from "../level-state-store.js";
import { numberedBatch, stateOf } from "./numbered-batches.js";

// Keeps the process alive once it is done, and ends it with whoever started it, however that one ended.
process.stdin.resume().on("end", () => process.exit(1));

const [dataDir = "", partition = "", count = ""] = process.argv.slice(2);
// The smallest buffer that LevelDB takes: tables and compactions soon come into play.
const store = await opened(new LevelStateStore({ dataDir, writeBufferBytes: 64 * 1024 }));
const found = (await stateOf(store)).batches;
say(`open ${found}`);
let failed: unknown;
for (let n = found + 1; n <= found + Number(count) && failed === undefined; n++) {
  failed = await failure(n);
  if (failed === undefined) say(String(n));
}
if (failed === undefined) {
  say("done");
} else {
  say(`failed ${codeOf(failed)} ${codeOf(await failure(1))}`);
  await store.close();
  process.exit(0);
}

async function opened(stores: LevelStateStore): Promise<PartitionStore> {
  try {
    return await stores.open(Number(partition));
  } catch (error) {
    say(`refused ${codeOf(error)}`);
    process.exit(0);
  }
}

async function failure(n: number): Promise<unknown> {
  try {
    await store.write(numberedBatch(n));
    return undefined;
  } catch (error) {
    return error;
  }
}

function codeOf(error: unknown): string {
  return error instanceof PortError ? error.code : String(error);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
