/** What processes and folders use, as the operating system says. Processes are seen on Linux only; elsewhere there are no figures. */
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** Linux counts processor time in hundredths of a second, whatever the kernel's own tick. */
const TICKS_A_SECOND = 100;
const USER_TICKS_FIELD = 11;
const SYSTEM_TICKS_FIELD = 12;
const BYTES_A_KIB = 1_024;

export interface ProcessUsage {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

/** Undefined where the system does not tell, or there is no such process. */
export async function usageOf(pid: number): Promise<ProcessUsage | undefined> {
  try {
    const [stats, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, "utf8"),
      readFile(`/proc/${pid}/status`, "utf8"),
    ]);
    // The second field is the program's name in brackets, and may hold anything.
    const fields = stats.slice(stats.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[USER_TICKS_FIELD]) + Number(fields[SYSTEM_TICKS_FIELD]);
    const rssKib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN);
    return { cpuSeconds: ticks / TICKS_A_SECOND, rssBytes: rssKib * BYTES_A_KIB };
  } catch {
    return undefined;
  }
}

/** Processor seconds of all programs since the machine started; undefined where the system does not tell. */
export async function busySeconds(): Promise<number | undefined> {
  try {
    // user nice system idle iowait irq softirq steal; the rest is counted in `user` already.
    const first = (await readFile("/proc/stat", "utf8")).split("\n", 1)[0] ?? "";
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = first
      .split(/\s+/)
      .slice(1)
      .map(Number);
    return (user + nice + system + irq + softirq) / TICKS_A_SECOND;
  } catch {
    return undefined;
  }
}

/** The bytes of a folder's files. Files that go while it looks count as nothing. */
export async function folderBytes(path: string): Promise<number> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        stat(join(entry.parentPath, entry.name)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
