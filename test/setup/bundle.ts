/**
 * Before the tests of whole processes: the services, and the workflows that their workers load, as plain JavaScript. A process that runs from
 * the sources spends about two seconds of processor time before its first line, and a crash test starts many.
 *
 * 1. One build a run, of the sources as they are, in a folder of its own that goes with the run.
 * 2. What several of them import is one module for all: a worker and its workflows share one SDK.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder that holds `path/of/a/module.js` for a module of the repository that test processes run. */
    readonly bundle: string;
  }
}

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const MAINS = ["workflow", "worker", "admin"].map((service) => `services/${service}/src/main.ts`);
/** Tests of processes, and the workflows beside them. */
const TESTS = ["test/e2e", "test/crash"];
const PRELOAD = "test/support/end-with-parent.ts";
/** Loads a compiled part of its own, by a path from where it lies. */
const LEFT_OUT = "classic-level";
/** Names a file beside itself that a thread begins with. */
const BEGINS_THREADS = /libs\/schema\/src\/check-pool\.ts$/;

const workflowsIn = (folder: string): string[] =>
  readdirSync(join(ROOT, folder)).flatMap((name) =>
    /workflows?\.ts$/.test(name) ? [`${folder}/${name}`] : [],
  );

export default async function bundleProcesses(project: TestProject): Promise<() => void> {
  // Within the repository, so that a stack trace is short; ignored by git.
  const above = join(ROOT, ".tools/test-bundles");
  mkdirSync(above, { recursive: true });
  const folder = mkdtempSync(join(above, "run-"));
  await build({
    absWorkingDir: ROOT,
    entryPoints: [...MAINS, PRELOAD, ...TESTS.flatMap(workflowsIn)],
    outbase: ROOT,
    outdir: folder,
    bundle: true,
    splitting: true,
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "warning",
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
    },
    plugins: [
      {
        name: "begins threads from their sources",
        setup(building) {
          building.onLoad({ filter: BEGINS_THREADS }, ({ path }) => ({
            contents: readFileSync(path, "utf8").replaceAll(
              "import.meta.url",
              JSON.stringify(pathToFileURL(path).href),
            ),
            loader: "ts",
          }));
        },
      },
      {
        name: "finds what is left out from anywhere",
        setup(building) {
          building.onResolve({ filter: new RegExp(`^${LEFT_OUT}$`) }, ({ path, importer }) => ({
            path: createRequire(importer).resolve(path),
            external: true,
          }));
        },
      },
    ],
  });
  project.provide("bundle", folder);
  return () => rmSync(folder, { recursive: true, force: true });
}
