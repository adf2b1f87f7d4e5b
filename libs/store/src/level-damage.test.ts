/**
 * What is opened after damage on disk: the state of some prefix of the batches, or nothing but an error that says
 * where the folder was put aside. Never anything else, whichever byte it was.
 */
import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constantFrom, integer, sample } from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { readManifest } from "./audit/manifest.js";
import { LevelStateStore } from "./level-state-store.js";
import { QUARANTINED_MAX } from "./partition-folder.js";
import { numberedBatch, stateAfter, stateOf } from "./testing/numbered-batches.js";
import { WriterProcess } from "./testing/writer-process.js";

const BATCHES = 1_200;
const ROUNDS = 120;
/** A place in a file. Not `double`, which nearly always is the very beginning. */
const fraction = integer({ min: 0, max: 999_999 }).map((n) => n / 1_000_000);
const CORRUPT = { name: "PortError", code: "corrupt", retry: "never" };

describe("LevelDB state store, damaged", () => {
  let template: string;
  let dataDir: string;
  let folder: string;

  beforeAll(async () => {
    template = await mkdtemp(join(tmpdir(), "holdfast-template-"));
    const writer = new WriterProcess({ dataDir: template, batches: BATCHES });
    await writer.said("done");
    // Nothing under way, so that each file is one that LevelDB needs, and the only log is the newest.
    await vi.waitUntil(() => settled(join(template, "partition-0")), { timeout: 60_000 });
    await writer.kill();
  });

  afterAll(() => rm(template, { recursive: true, force: true }));

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "holdfast-damage-"));
    folder = join(dataDir, "partition-0");
    await cp(template, dataDir, { recursive: true });
  });

  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  async function restored(): Promise<void> {
    await rm(dataDir, { recursive: true, force: true });
    await cp(template, dataDir, { recursive: true });
  }

  /** Opens; checks that what there is, is a prefix; how many batches, or undefined where the folder was put aside. */
  async function opened(): Promise<number | undefined> {
    const store = new LevelStateStore({ dataDir });
    try {
      const state = await store.open(0);
      const found = await stateOf(state);
      await state.close();
      expect(found.state).toEqual(stateAfter(found.batches));
      return found.batches;
    } catch (error) {
      expect(error).toMatchObject({ ...CORRUPT, details: { quarantinedTo: `${folder}.quarantined-1` } });
      expect(await readdir(dataDir)).toEqual(["partition-0.quarantined-1"]);
      return undefined;
    }
  }

  test("undamaged, all is there, in tables and in a log", async () => {
    const names = await readdir(folder);
    expect(names.filter((name) => name.endsWith(".ldb")).length).toBeGreaterThan(1);
    expect(names.filter((name) => name.endsWith(".log")).length).toBeGreaterThan(0);
    expect(await opened()).toBe(BATCHES);
  });

  test("any flipped bit in any file leaves a prefix, or a folder put aside", {
    timeout: 300_000,
  }, async () => {
    const outcomes = { whole: 0, shorter: 0, aside: 0 };
    const names = (await readdir(folder)).filter((name) => /\.(ldb|log)$|^MANIFEST|^CURRENT$/.test(name));
    const damaged = sample(constantFrom(...names), ROUNDS);
    for (const [i, at] of sample(fraction, ROUNDS).entries()) {
      await restored();
      await flipped(join(folder, damaged[i] ?? ""), at, 1 << (i % 8));
      const batches = await opened();
      outcomes[batches === undefined ? "aside" : batches === BATCHES ? "whole" : "shorter"]++;
    }
    // Nearly all of a file is checked; what may differ without a trace is padding.
    expect(outcomes.aside).toBeGreaterThan(ROUNDS / 2);
  });

  test("any truncation of the log leaves a prefix", { timeout: 300_000 }, async () => {
    const outcomes: (number | undefined)[] = [];
    for (const at of sample(fraction, ROUNDS / 4)) {
      await restored();
      const name = await newest("log");
      await truncate(join(folder, name), Math.floor((await readFile(join(folder, name))).length * at));
      outcomes.push(await opened());
    }
    expect(outcomes).not.toContain(undefined);
  });

  test("a flipped bit amid the log is put aside with its reason; the next open starts empty", async () => {
    const name = await newest("log");
    await flipped(join(folder, name), 0.5, 1);
    await expect(new LevelStateStore({ dataDir }).open(0)).rejects.toMatchObject({
      ...CORRUPT,
      details: { reason: expect.stringContaining(name), quarantinedTo: `${folder}.quarantined-1` },
    });
    const state = await new LevelStateStore({ dataDir }).open(0);
    expect(await stateOf(state)).toEqual({ batches: 0, state: [] });
    await state.write(numberedBatch(1));
    await state.close();
    expect(await opened()).toBe(1);
  });

  test("a flipped bit in a table is put aside after an unclean stop", async () => {
    await flipped(join(folder, await newest("ldb")), 0.3, 1);
    expect(await opened()).toBeUndefined();
  });

  describe("that LevelDB ends the process over", () => {
    /** Where the index stands and how long it is: LevelDB asks for so much memory, and ends the process when it gets none. */
    async function deadlyTables(): Promise<void> {
      for (const name of (await readdir(folder)).filter((file) => file.endsWith(".ldb"))) {
        const bytes = await readFile(join(folder, name));
        for (let at = 0; at < 40; at++) bytes[bytes.length - 48 + at] = at % 9 === 8 ? 0x7f : 0xff;
        await writeFile(join(folder, name), bytes);
      }
    }

    /** What a process of its own says of the folder; undefined where it died. */
    async function openedElsewhere(): Promise<string | undefined> {
      const elsewhere = new WriterProcess({ dataDir, batches: 1 });
      try {
        return await elsewhere.said("").catch(() => undefined);
      } finally {
        await elsewhere.kill();
      }
    }

    test("it is put aside before LevelDB reads it", async () => {
      await deadlyTables();
      expect(await openedElsewhere()).toBe("refused corrupt");
      expect(await readdir(dataDir)).toEqual(["partition-0.quarantined-1"]);
    });

    test("after a clean stop, when tables aren't checked, it ends one process and is put aside by the next", async () => {
      await (await new LevelStateStore({ dataDir }).open(0)).close();
      await deadlyTables();
      expect([await openedElsewhere(), await openedElsewhere()]).toEqual([undefined, "refused corrupt"]);
    });
  });

  test("what is in doubt is put aside as it was found, read by nobody", async () => {
    await flipped(join(folder, await newest("ldb")), 0.3, 1);
    const before = await filesOf(folder);
    expect(await opened()).toBeUndefined();
    expect(await filesOf(`${folder}.quarantined-1`)).toEqual(before);
  });

  test.each(["log", "ldb"])("a missing .%s file is put aside", async (ending) => {
    await rm(join(folder, await newest(ending)));
    expect(await opened()).toBeUndefined();
  });

  test("a log of an older moment beside newer tables is put aside: its batches are not the next ones", async () => {
    // What a restored single file would be: dense in itself, but it does not go on where the tables end.
    const name = await newest("log");
    const early = join(dataDir, "early");
    const state = await new LevelStateStore({ dataDir: early }).open(0);
    await state.write(numberedBatch(1));
    await state.close();
    const other = (await readdir(join(early, "partition-0"))).find((file) => file.endsWith(".log")) ?? "";
    await cp(join(early, "partition-0", other), join(folder, name));
    await rm(early, { recursive: true });
    expect(await opened()).toBeUndefined();
  });

  test("damage that only a read meets ends the store, and the next open puts the folder aside", async () => {
    const value = new Uint8Array(3_000).map((_, i) => (i * i) >> 3);
    const store = new LevelStateStore({ dataDir });
    // Twice: the second open moves what the first left in its log into a table, and the stop is a clean one.
    for (let i = 0; i < 2; i++) {
      const state = await store.open(0);
      await state.write({ puts: i === 0 ? [["zz", value]] : [], dels: [] });
      await state.close();
    }
    for (const name of (await readdir(folder)).filter((file) => file.endsWith(".ldb"))) {
      const bytes = await readFile(join(folder, name));
      const at = bytes.indexOf(value.subarray(100, 132));
      if (at >= 0) await writeFile(join(folder, name), bytes.fill(0x55, at, at + 8));
    }
    const state = await store.open(0);
    const corrupt = expect.objectContaining(CORRUPT);
    await expect(state.getMany(["zz"])).rejects.toEqual(corrupt);
    expect(() => state.getSync("count")).toThrow(corrupt);
    await expect(state.write({ puts: [], dels: ["zz"] })).rejects.toEqual(corrupt);
    await state.close();
    expect(await opened()).toBeUndefined();
  });

  test("after unclean stops in a row every table is checked, beyond the bound of a single one", async () => {
    await flipped(join(folder, await newest("ldb")), 0.3, 1);
    await writeFile(join(folder, "SESSION"), JSON.stringify({ opens: 3 }));
    await expect(new LevelStateStore({ dataDir, auditTableBytesMax: 0 }).open(0)).rejects.toMatchObject(
      CORRUPT,
    );
  });

  test("batches lost after a clean stop are noticed", async () => {
    const store = new LevelStateStore({ dataDir });
    const state = await store.open(0);
    await state.write(numberedBatch(BATCHES + 1));
    await state.close();
    await truncate(join(folder, await newest("log")), 0);
    expect(await opened()).toBeUndefined();
  });

  test("a session file from before the last opening, or half written, counts as an unclean stop", async () => {
    const store = new LevelStateStore({ dataDir });
    await (await store.open(0)).close();
    const stale = await readFile(join(folder, "SESSION"));
    const state = await store.open(0);
    await state.write(numberedBatch(BATCHES + 1));
    await state.close();
    for (const content of [stale, "", '{"clo', "null"]) {
      await writeFile(join(folder, "SESSION"), content);
      expect(await opened()).toBe(BATCHES + 1);
    }
  });

  test("folders put aside are kept up to a bound, the newest ones", async () => {
    for (let i = 0; i < QUARANTINED_MAX + 2; i++) {
      await cp(join(template, "partition-0"), folder, { recursive: true });
      await writeFile(join(folder, "CURRENT"), "nonsense");
      await expect(new LevelStateStore({ dataDir }).open(0)).rejects.toMatchObject(CORRUPT);
    }
    expect((await readdir(dataDir)).toSorted()).toEqual([3, 4, 5].map((n) => `partition-0.quarantined-${n}`));
  });

  async function newest(ending: string): Promise<string> {
    return (
      (await readdir(folder))
        .filter((name) => name.endsWith(`.${ending}`))
        .toSorted()
        .at(-1) ?? ""
    );
  }
});

/** Whether a folder that is being written has one log, the manifest's, and no table but the manifest's. */
async function settled(folder: string): Promise<boolean> {
  const manifest = await readManifest(folder);
  const files = (await readdir(folder)).filter((name) => /\.(ldb|log)$/.test(name));
  const needed = [manifest?.logNumber, ...(manifest?.tables.keys() ?? [])];
  return files.length === needed.length && files.every((name) => needed.includes(Number.parseInt(name, 10)));
}

/** All files but LevelDB's diary, which it begins anew before it has the lock: name to digest. */
async function filesOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith("LOG"));
  const digestOf = async (name: string) =>
    createHash("sha256")
      .update(await readFile(join(folder, name)))
      .digest("hex");
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await digestOf(name)])));
}

/** Flips bits of the byte that stands at this fraction of the file. */
async function flipped(path: string, place: number, bits: number): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length * place);
  bytes[at] = (bytes[at] ?? 0) ^ bits;
  await writeFile(path, bytes);
}
