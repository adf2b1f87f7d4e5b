/** Remembers, for each step, a digest of the inputs that it last succeeded with. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { root, toolsFolder } from "./paths.mjs";

const stampsPath = join(toolsFolder, "stamps.json");

function readStamps() {
  try {
    return JSON.parse(readFileSync(stampsPath, "utf8"));
  } catch {
    return {}; // Not there yet, or cut short: every step then runs again, which is always right.
  }
}

/**
 * @param {readonly string[]} files absolute paths; a missing one is part of the digest too
 * @param {readonly string[]} [facts]
 */
export function digestOf(files, facts = []) {
  const hash = createHash("sha256");
  for (const fact of facts) hash.update(`${fact}\0`);
  for (const file of files.toSorted()) {
    hash.update(`${relative(root, file)}\0`);
    hash.update(existsSync(file) ? readFileSync(file) : "missing");
    hash.update("\0");
  }
  return hash.digest("hex");
}

export function isStamped(step, digest) {
  return readStamps()[step] === digest;
}

export function stamp(step, digest) {
  const temporary = `${stampsPath}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify({ ...readStamps(), [step]: digest }, null, 2)}\n`);
  renameSync(temporary, stampsPath);
}
