/** Waits until a server that was just started takes JetStream requests. */
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "nats";

const POLL_MS = 10;
const ANSWER_MS_MAX = 5_000;

/** The server writes it once it listens; its name holds the server's process id. */
const portsFileOf = (pid: number): string => `nats-server_${pid}.ports`;

/**
 * The port a server listens on, from the file that it writes into `storeDir`. Files of servers that were
 * killed are removed. Ends with the signal.
 */
export async function readPort(storeDir: string, pid: number, signal: AbortSignal): Promise<number> {
  const mine = portsFileOf(pid);
  for (;;) {
    const text = await readFile(join(storeDir, mine), "utf8").catch(() => "");
    // The file is there before it is complete.
    const port = /"nats:\/\/[^"]*:(\d+)"\s*\]\s*}/.exec(text)?.[1];
    if (port !== undefined) {
      for (const name of await readdir(storeDir)) {
        if (/^nats-server_\d+\.ports$/.test(name) && name !== mine) await rm(join(storeDir, name));
      }
      return Number(port);
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** Asks for JetStream's account information; retried until it answers or the signal ends it. */
export async function waitForJetStream(url: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      const connection = await connect({ servers: url, reconnect: false, timeout: ANSWER_MS_MAX });
      try {
        const manager = await connection.jetstreamManager({ timeout: ANSWER_MS_MAX });
        await manager.getAccountInfo();
        return;
      } finally {
        await connection.close();
      }
    } catch {
      // Not ready yet; the caller's time-out and the server's end both abort the signal.
      await sleep(POLL_MS, undefined, { signal });
    }
  }
}
