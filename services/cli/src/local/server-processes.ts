/** For tests: which nats-servers run on a folder. Reads /proc, so on Linux only. */
import { readdir, readFile } from "node:fs/promises";

/** Process ids of nats-servers whose command line names this folder. */
export async function natsServersOn(folder: string): Promise<number[]> {
  const pids: number[] = [];
  for (const name of await readdir("/proc")) {
    const line = /^\d+$/.test(name) ? await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "") : "";
    const [program = ""] = line.split("\0");
    if (program.endsWith("nats-server") && line.includes(folder)) pids.push(Number(name));
  }
  return pids;
}
