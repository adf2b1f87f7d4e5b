/** Folders that are intact and still not this node's to use, and places where no folder can be. */
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_LIMITS, openLevel } from "./level-database.js";
import { LevelStateStore } from "./level-state-store.js";
import { FORMAT_KEY, FORMAT_NAME, SCHEMA_VERSION } from "./own-records.js";
import { OWN_SPACE, RecordEncoder } from "./record-format.js";

describe("LevelDB state store, folders", () => {
  let dataDir: string;
  let store: LevelStateStore;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "holdfast-folder-"));
    store = new LevelStateStore({ dataDir });
    await (await store.open(3)).close();
  });

  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  test("a folder of a newer schema is refused and left alone", async () => {
    await writeFormat({ format: FORMAT_NAME, schema: SCHEMA_VERSION + 1, partition: 3 });
    for (let i = 0; i < 2; i++)
      await expect(store.open(3)).rejects.toMatchObject({
        name: "PortError",
        code: "schema",
        retry: "never",
      });
    expect(await readdir(dataDir)).toEqual(["partition-3"]);
  });

  test("another partition's folder is refused, named and left alone", async () => {
    await rename(join(dataDir, "partition-3"), join(dataDir, "partition-4"));
    await expect(store.open(4)).rejects.toMatchObject({
      code: "config-mismatch",
      message: expect.stringContaining("of partition 3, not"),
      details: { found: { partition: 3 } },
    });
    expect(await readdir(dataDir)).toEqual(["partition-4"]);
  });

  test("another program's format is refused and left alone", async () => {
    await writeFormat({ format: "something-else", schema: 1, partition: 3 });
    await expect(store.open(3)).rejects.toMatchObject({ code: "config-mismatch" });
    expect(await readdir(dataDir)).toEqual(["partition-3"]);
  });

  test("another partition's folder is left alone even where it is damaged, and can't be asked what it holds", async () => {
    await rename(join(dataDir, "partition-3"), join(dataDir, "partition-4"));
    await writeFile(join(dataDir, "partition-4", "CURRENT"), "nonsense");
    for (let i = 0; i < 2; i++)
      await expect(store.open(4)).rejects.toMatchObject({
        code: "config-mismatch",
        details: { found: { partition: 3 } },
      });
    expect(await readdir(dataDir)).toEqual(["partition-4"]);
  });

  test("a damaged folder that is in use is refused as in use, and left to who has it", async () => {
    const inUse = await store.open(3);
    await writeFile(join(dataDir, "partition-3", "DAMAGED"), "by a test");
    await expect(store.open(3)).rejects.toMatchObject({ code: "locked" });
    expect(await readdir(dataDir)).toEqual(["partition-3"]);
    await inUse.close();
    await expect(store.open(3)).rejects.toMatchObject({
      code: "corrupt",
      details: { reason: "by a test" },
    });
    expect(await readdir(dataDir)).toEqual(["partition-3.quarantined-1"]);
  });

  test("a database that says nothing of itself is put aside", async () => {
    const db = await openLevel(join(dataDir, "partition-5"), DEFAULT_LIMITS);
    await db.put(Buffer.from("a"), Buffer.from("b"));
    await db.close();
    await expect(store.open(5)).rejects.toMatchObject({ code: "corrupt" });
    expect((await readdir(dataDir)).toSorted()).toEqual(["partition-3", "partition-5.quarantined-1"]);
  });

  test("where no folder can be made it is an io error that names the folder", async () => {
    const file = join(dataDir, "file");
    await writeFile(file, "");
    const below = new LevelStateStore({ dataDir: join(file, "data") });
    await expect(below.open(0)).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining(join(file, "data", "partition-0")),
    });
    await writeFile(join(dataDir, "partition-6"), "a file in the folder's place");
    await expect(store.open(6)).rejects.toMatchObject({ code: "io" });
    await mkdir(join(dataDir, "partition-7", "LOCK"), { recursive: true });
    await expect(store.open(7)).rejects.toMatchObject({ code: "io" });
  });

  test("the data folder is made, with those above it", async () => {
    const deep = new LevelStateStore({ dataDir: join(dataDir, "a", "b") });
    await (await deep.open(0)).close();
    expect(await readdir(join(dataDir, "a", "b"))).toEqual(["partition-0"]);
  });

  async function writeFormat(format: object): Promise<void> {
    const db = await openLevel(join(dataDir, "partition-3"), DEFAULT_LIMITS);
    const record = new RecordEncoder();
    record.encode(OWN_SPACE, FORMAT_KEY, Buffer.from(JSON.stringify(format)));
    await db.put(record.key, record.value);
    await db.close();
  }
});
