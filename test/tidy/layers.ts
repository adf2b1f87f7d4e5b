/**
 * Who may import whom. Imports point down only: services → sdk, engine, adapters → core → proto. Adapters never
 * import each other; only composition roots (services) and the sdk know which adapter stands behind a port.
 */
import { posix } from "node:path";
import { importsOf, type SourceFile } from "./source-files.js";

const LIBS = ["proto", "core", "telemetry", "schema", "engine", "store", "nats", "rpc", "sdk"];
const SERVICES = ["workflow-service", "worker-service", "admin-service", "cli"];

/** By package folder: the packages of ours that it may import. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "libs/proto": [],
  "libs/core": ["proto"],
  "libs/telemetry": [],
  "libs/engine": ["proto", "core", "telemetry"],
  "libs/schema": [],
  "libs/store": ["proto", "core", "telemetry", "engine"],
  "libs/nats": ["proto", "core", "telemetry", "engine"],
  "libs/rpc": ["proto", "core", "telemetry", "engine"],
  "libs/sdk": ["proto", "core", "telemetry", "schema", "engine", "nats"],
  "services/workflow": LIBS,
  "services/worker": LIBS,
  "services/admin": LIBS,
  "services/console": LIBS,
  // `dev` and `demo` run all of the services in one process.
  "services/cli": [...LIBS, ...SERVICES],
  test: [...LIBS, ...SERVICES],
};

/** Third-party packages behind an adapter, and the one folder (beside tests of the whole) that may know them. */
const BEHIND_ADAPTER: readonly { pattern: RegExp; folder: string }[] = [
  { pattern: /^(level|classic-level|abstract-level)(\/|$)/, folder: "libs/store" },
  { pattern: /^(nats$|nats\/|@nats-io\/)/, folder: "libs/nats" },
  { pattern: /^@grpc\//, folder: "libs/rpc" },
  { pattern: /^pino/, folder: "libs/telemetry" },
  { pattern: /^(ajv|re2js)(\/|$)/, folder: "libs/schema" },
];

/** All that the core may import from outside: it must run anywhere, the same everywhere. */
const CORE_MAY_IMPORT = /^(@bufbuild\/protobuf|@noble\/hashes)(\/|$)/;
const CORE_TESTS_MAY_IMPORT = /^(vitest|fast-check|node:)/;

/** "libs/core" of "libs/core/src/x.ts"; "test" of "test/e2e/x.ts"; undefined outside of packages. */
export function packageFolderOf(path: string): string | undefined {
  return /^(?:libs|services)\/[^/]+|^test(?=\/)/.exec(path)?.[0];
}

function complaint(file: SourceFile, specifier: string, folder: string): string | undefined {
  if (specifier.startsWith(".")) {
    const target = posix.join(posix.dirname(file.path), specifier);
    if (target.startsWith(`${folder}/`)) return undefined;
    if (folder === "test" && target.startsWith(".ci/")) return undefined;
    return "leaves its package: import the other package by its name";
  }
  const own = /^@holdfast\/([^/]+)(\/.*)?$/.exec(specifier);
  if (own) {
    const [, name = "", subpath = ""] = own;
    if (subpath.startsWith("/src")) return "reaches into another package's source: use what it exports";
    if (!MAY_IMPORT[folder]?.includes(name))
      return `points up or sideways: ${folder} stands beside or below it`;
    return undefined;
  }
  const adapter = BEHIND_ADAPTER.find(({ pattern }) => pattern.test(specifier));
  if (adapter && adapter.folder !== folder && folder !== "test") {
    return `is known to ${adapter.folder} alone`;
  }
  if (folder === "libs/core" && !CORE_MAY_IMPORT.test(specifier)) {
    const inTest = /\.test\.ts$|\/testing\//.test(file.path) && CORE_TESTS_MAY_IMPORT.test(specifier);
    if (!inTest) return "is not for the core, which has no I/O and no Node API";
  }
  return undefined;
}

export function layerComplaints(file: SourceFile): string[] {
  const folder = packageFolderOf(file.path);
  if (folder === undefined) return [];
  return importsOf(file).flatMap((specifier) => {
    const why = complaint(file, specifier, folder);
    return why === undefined ? [] : [`${file.path}: import of "${specifier}" ${why}`];
  });
}
