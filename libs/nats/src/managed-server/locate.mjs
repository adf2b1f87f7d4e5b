/**
 * Finds a `nats-server` binary and judges its version.
 *
 * Plain JavaScript on purpose: the set-up (.ci/setup.mjs) asks the same question before any
 * dependency or TypeScript runner is there, and two answers could differ.
 */
import { execFileSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Servers below it lack `sync_interval: always` and break compare-and-set on replicated streams. */
export const MIN_SERVER_VERSION = "2.10.0";

const repositoryRoot = resolve(dirname(fileURLToPath(import.meta.url)), "../../../..");

/** Where the set-up puts a server that it fetched. */
export const FETCHED_SERVER_PATH = join(repositoryRoot, ".tools", "nats-server", "nats-server");

/**
 * @typedef {object} ServerCandidate
 * @property {string} path
 * @property {"option" | "HOLDFAST_NATS_SERVER" | "PATH" | ".tools"} from where it was found
 * @property {string | undefined} version undefined: it does not start, or does not say one
 * @property {boolean} usable it starts and is new enough
 */

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * The version a binary reports ("2.10.27"), or undefined when it does not start.
 * @param {string} path
 * @returns {string | undefined}
 */
export function readServerVersion(path) {
  try {
    const output = execFileSync(path, ["--version"], {
      encoding: "utf8",
      timeout: 10_000,
      stdio: ["ignore", "pipe", "ignore"],
    });
    return /v?(\d+\.\d+\.\d+)/.exec(output)?.[1];
  } catch {
    return undefined;
  }
}

/**
 * @param {string} version
 * @param {string} minimum
 */
export function isAtLeast(version, minimum) {
  const have = version.split(".").map(Number);
  const need = minimum.split(".").map(Number);
  for (let i = 0; i < need.length; i += 1) {
    const difference = (have[i] ?? 0) - (need[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/**
 * @param {string} path
 * @param {ServerCandidate["from"]} from
 * @returns {ServerCandidate}
 */
function judge(path, from) {
  const version = readServerVersion(path);
  return {
    path,
    from,
    version,
    usable: version !== undefined && isAtLeast(version, MIN_SERVER_VERSION),
  };
}

/**
 * Looks at, in this order: the path given, HOLDFAST_NATS_SERVER, PATH, `.tools/`; stops at the first
 * usable one, which is then the last of the list. A path that was asked for by name is never passed
 * over in silence: nothing is looked at after it.
 * @param {{ serverPath?: string | undefined, env?: NodeJS.ProcessEnv }} [options]
 * @returns {ServerCandidate[]}
 */
export function serverCandidates({ serverPath, env = process.env } = {}) {
  if (serverPath !== undefined) return [judge(serverPath, "option")];
  if (env.HOLDFAST_NATS_SERVER) return [judge(env.HOLDFAST_NATS_SERVER, "HOLDFAST_NATS_SERVER")];
  /** @type {ServerCandidate[]} */
  const seen = [];
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    const path = join(folder, "nats-server");
    if (folder === "" || !isExecutable(path)) continue;
    const candidate = judge(path, "PATH");
    seen.push(candidate);
    if (candidate.usable) return seen;
  }
  if (isExecutable(FETCHED_SERVER_PATH)) seen.push(judge(FETCHED_SERVER_PATH, ".tools"));
  return seen;
}

/**
 * One sentence for each candidate that was looked at and can't be used.
 * @param {readonly ServerCandidate[]} candidates
 * @returns {string[]}
 */
export function explainUnusable(candidates) {
  return candidates
    .filter((candidate) => !candidate.usable)
    .map(({ path, from, version }) =>
      version === undefined
        ? `${path} (from ${from}) does not start`
        : `${path} (from ${from}) is version ${version}; Holdfast needs ${MIN_SERVER_VERSION} or newer`,
    );
}
