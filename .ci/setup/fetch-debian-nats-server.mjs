/**
 * Fetches nats-server on Debian with apt's own signed download, without root and without touching
 * the system: apt reads and writes only a private folder, which is removed afterwards.
 *
 * The source is a copy of the machine's own Debian source (same mirror, same keyring) with another
 * suite: a server new enough is in no Debian release before 13.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import {
  FETCHED_SERVER_PATH,
  isAtLeast,
  MIN_SERVER_VERSION,
  readServerVersion,
} from "../../libs/nats/src/managed-server/locate.mjs";
import { readDebianSources } from "./debian-sources.mjs";
import { toolsFolder } from "./paths.mjs";
import { run, SetupError } from "./run.mjs";

/** Tried in this order; the second for systems whose libraries are too old for the first. */
const SUITES = ["sid", "trixie"];

/**
 * How old a suite's signed index may be. sid's says 7 days, which a mirror that is copied seldom misses;
 * this is apt's own setting for such mirrors, short of giving up its check of freshness.
 */
const INDEX_AGE_S_MAX = 90 * 24 * 3600;

const advice =
  "Install nats-server 2.10 or newer yourself and name it with HOLDFAST_NATS_SERVER, " +
  "or name a running server with HOLDFAST_NATS_URL.";

function isDebian() {
  try {
    return /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"));
  } catch {
    return false;
  }
}

export function canFetchFromDebian() {
  return isDebian() && existsSync("/usr/bin/apt-get") && existsSync("/usr/bin/dpkg");
}

/**
 * apt's settings for one private folder. The machine's own settings are left out, since their hooks
 * (package-cache cleaners, for one) would touch the system; only how to reach the mirror is kept.
 */
async function writeAptConfig(folder) {
  const machine = await run("apt-config", ["dump"], { advice });
  const reach = machine
    .split("\n")
    .filter((line) => /^Acquire::(http|https|Retries|ForceIPv[46])\b/.test(line));
  for (const name of ["lists/partial", "cache/archives/partial", "sources", "parts", "log"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  writeFileSync(join(folder, "status"), "");
  const settings = {
    "Dir::Etc::Main": "/dev/null",
    "Dir::Etc::Parts": join(folder, "parts"),
    "Dir::Etc::SourceList": "/dev/null",
    "Dir::Etc::SourceParts": join(folder, "sources"),
    "Dir::Etc::Preferences": "/dev/null",
    "Dir::Etc::PreferencesParts": join(folder, "parts"),
    "Dir::State": folder,
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::State::status": join(folder, "status"),
    "Dir::Cache": join(folder, "cache"),
    "Dir::Log": join(folder, "log"),
    "Acquire::Languages": "none",
    "Acquire::Min-ValidTime": String(INDEX_AGE_S_MAX),
    // As root apt would drop to a user who can't write here; the signature check stays as it is.
    ...(process.getuid?.() === 0 ? { "APT::Sandbox::User": "root" } : {}),
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";`);
  const path = join(folder, "apt.conf");
  writeFileSync(path, `${[...reach, ...lines].join("\n")}\n`);
  return path;
}

function writeSource(folder, sources, suite) {
  const stanzas = sources.map(({ uris, signedBy }) =>
    [
      "Types: deb",
      `URIs: ${uris.join(" ")}`,
      `Suites: ${suite}`,
      "Components: main",
      ...(signedBy ? [`Signed-By: ${signedBy}`] : []),
      "",
    ].join("\n"),
  );
  writeFileSync(join(folder, "sources", "debian.sources"), stanzas.join("\n"));
}

/** The path of a binary from `suite`, unpacked under `folder`. */
async function download(folder, sources, suite) {
  const env = {
    ...process.env,
    APT_CONFIG: await writeAptConfig(folder),
    DEBIAN_FRONTEND: "noninteractive",
  };
  writeSource(folder, sources, suite);
  await run("apt-get", ["-q", "update"], { env, advice });
  await run("apt-get", ["-q", "download", "nats-server"], {
    cwd: folder,
    env,
    advice,
  });
  const deb = readdirSync(folder).find((name) => name.endsWith(".deb"));
  if (deb === undefined) throw new SetupError(`apt downloaded no package.\n${advice}`);
  await run("dpkg", ["-x", join(folder, deb), join(folder, "unpacked")], {
    advice,
  });
  return join(folder, "unpacked", "usr", "sbin", "nats-server");
}

/** Puts a server that starts at FETCHED_SERVER_PATH and returns its version. */
export async function fetchFromDebian(progress) {
  const sources = readDebianSources();
  if (sources.length === 0)
    throw new SetupError(`No Debian package source is configured on this machine.\n${advice}`);
  const complaints = [];
  for (const suite of SUITES) {
    progress(`fetching from Debian ${suite}`);
    const folder = join(toolsFolder, `apt-${suite}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    try {
      const binary = await download(folder, sources, suite);
      const version = existsSync(binary) ? readServerVersion(binary) : undefined;
      if (version !== undefined && isAtLeast(version, MIN_SERVER_VERSION)) {
        mkdirSync(dirname(FETCHED_SERVER_PATH), { recursive: true });
        // Copied beside, then renamed: a server that runs from the old file keeps it.
        const temporary = `${FETCHED_SERVER_PATH}.new`;
        copyFileSync(binary, temporary);
        chmodSync(temporary, 0o755);
        renameSync(temporary, FETCHED_SERVER_PATH);
        return `${version} from Debian ${suite}`;
      }
      complaints.push(`${suite}: ${version === undefined ? "does not start here" : `is only ${version}`}`);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      complaints.push(`${suite}: ${error.message.replace(`\n${advice}`, "").trim()}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new SetupError(`No nats-server could be fetched.\n${complaints.join("\n")}\n${advice}`);
}
