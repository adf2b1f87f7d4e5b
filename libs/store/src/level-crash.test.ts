/** What is left when the process that writes is killed, or the disk refuses. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LevelStateStore } from "./level-state-store.js";
import { stateAfter, stateOf } from "./testing/numbered-batches.js";
import { WriterProcess } from "./testing/writer-process.js";

const KILLS = 10;
const KILLED_WITHIN_MS = 250;

describe("LevelDB state store, killed", () => {
  let dataDir: string;
  let writer: WriterProcess | undefined;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "holdfast-crash-"));
  });

  afterEach(async () => {
    await writer?.kill();
    await rm(dataDir, { recursive: true, force: true });
  });

  test("after each SIGKILL amid writes it holds exactly the first batches, and all that were acknowledged", {
    timeout: 300_000,
  }, async () => {
    let batchesBefore = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      writer = new WriterProcess({ dataDir });
      await writer.said("open");
      await delay((kill * 7_919) % KILLED_WITHIN_MS);
      await writer.kill();
      // Every other time the next writer, not this process, is the first to open what is left.
      if (kill % 2 === 0) continue;
      const state = await new LevelStateStore({ dataDir }).open(0);
      const found = await stateOf(state);
      await state.close();
      expect(found.batches).toBeGreaterThanOrEqual(writer.written);
      expect(found.batches).toBeGreaterThanOrEqual(batchesBefore);
      expect(found.state).toEqual(stateAfter(found.batches));
      batchesBefore = found.batches;
    }
    expect(batchesBefore).toBeGreaterThan(0);
  });

  test("while another process has a partition it is locked, named and left alone; then it opens", {
    timeout: 300_000,
  }, async () => {
    writer = new WriterProcess({ dataDir, batches: 500 });
    await writer.said("done");
    const store = new LevelStateStore({ dataDir });
    await expect(store.open(0)).rejects.toMatchObject({
      name: "PortError",
      code: "locked",
      retry: "never",
      message: expect.stringContaining(join(dataDir, "partition-0")),
    });
    await writer.kill();
    const state = await store.open(0);
    expect((await stateOf(state)).batches).toBe(500);
    await state.close();
  });

  test("a disk that refuses is an io error for this and every later write, and leaves the first batches", {
    timeout: 300_000,
  }, async () => {
    // Node ignores the signal of a file that grows beyond its limit: LevelDB sees a failed write, as on a full disk.
    writer = new WriterProcess({ dataDir, fileKiBMax: 48 });
    expect(await writer.said("failed")).toBe("failed io io");
    await writer.kill();
    const state = await new LevelStateStore({ dataDir }).open(0);
    const found = await stateOf(state);
    await state.close();
    expect(found.batches).toBeGreaterThanOrEqual(writer.written);
    expect(found.state).toEqual(stateAfter(found.batches));
  });
});
