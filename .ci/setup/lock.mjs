/** Lets one set-up at a time work in `.tools/`; a lock whose process is gone is taken over. */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SetupError } from "./run.mjs";
import { toolsFolder } from "./paths.mjs";

const lockFolder = join(toolsFolder, "setup.lock");
const pidFile = join(lockFolder, "pid");
const WAIT_MS_MAX = 10 * 60_000;
/** Between making the folder and writing its pid file there is a moment without an owner. */
const OWNERLESS_MS_MAX = 5_000;

function ownerIsGone() {
  try {
    process.kill(Number(readFileSync(pidFile, "utf8")), 0);
    return false;
  } catch (error) {
    if (error.code === "ESRCH") return true;
    if (error.code !== "ENOENT") return false;
  }
  try {
    return Date.now() - statSync(lockFolder).mtimeMs > OWNERLESS_MS_MAX;
  } catch {
    return false; // Released meanwhile.
  }
}

async function acquire() {
  const began = Date.now();
  for (let announced = false; ; ) {
    try {
      mkdirSync(lockFolder);
      writeFileSync(pidFile, String(process.pid));
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (ownerIsGone()) {
      rmSync(lockFolder, { recursive: true, force: true });
      continue;
    }
    if (Date.now() - began > WAIT_MS_MAX) {
      throw new SetupError(`Another set-up holds ${lockFolder}. If none is running, remove that folder.`);
    }
    if (!announced) process.stdout.write("  waiting for another set-up in this folder to end\n");
    announced = true;
    await sleep(200);
  }
}

export async function withLock(work) {
  await acquire();
  try {
    return await work();
  } finally {
    rmSync(lockFolder, { recursive: true, force: true });
  }
}
