/**
 * A partition's folder on disk: its name, its size, the mark of damage, and putting it aside.
 * Never looks into LevelDB's files and never mends one.
 */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** So many damaged folders of a partition are kept for inspection; the oldest goes when another is put aside. */
export const QUARANTINED_MAX = 3;
/** Beside LevelDB's files, which it leaves alone. Holds the reason as text. */
const DAMAGE_FILE = "DAMAGED";

export class PartitionFolder {
  readonly path: string;

  constructor(
    private readonly dataDir: string,
    readonly partition: number,
  ) {
    this.path = join(dataDir, `partition-${partition}`);
  }

  async make(): Promise<void> {
    await mkdir(this.path, { recursive: true });
  }

  /** Remembers, across restarts, that something in here must not be trusted. */
  async markDamaged(reason: string): Promise<void> {
    await writeFile(join(this.path, DAMAGE_FILE), `${reason}\n`, { flush: true });
  }

  /** Why the folder must not be trusted, when an earlier read found that. */
  async damage(): Promise<string | undefined> {
    try {
      return (await readFile(join(this.path, DAMAGE_FILE), "utf8")).trim();
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Renames the folder out of the way and returns its new path. Keeps the newest `QUARANTINED_MAX` of them. */
  async putAside(): Promise<string> {
    const prefix = `partition-${this.partition}.quarantined-`;
    const taken = (await readdir(this.dataDir))
      .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
      .map((name) => Number(name.slice(prefix.length)))
      .toSorted((a, b) => a - b);
    const target = join(this.dataDir, `${prefix}${(taken.at(-1) ?? 0) + 1}`);
    await rename(this.path, target);
    for (const old of taken.slice(0, Math.max(0, taken.length + 1 - QUARANTINED_MAX))) {
      await rm(join(this.dataDir, `${prefix}${old}`), { recursive: true, force: true });
    }
    return target;
  }

  /** Bytes of all files, including what LevelDB has yet to compact. */
  async sizeBytes(): Promise<number> {
    const sizes = await Promise.all((await readdir(this.path)).map((name) => this.sizeOf(name)));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  private async sizeOf(name: string): Promise<number> {
    try {
      return (await stat(join(this.path, name))).size;
    } catch (error) {
      // Compacted away since it was listed.
      if (isMissing(error)) return 0;
      throw error;
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === "ENOENT";
}
