/**
 * The CLI as one file that starts at once, made from the sources when it is missing or one of them changed.
 *
 * 1. A bundle whose sources changed is never run: its first line holds each source with size and time, and all are looked at.
 * 2. It is written beside, then renamed: whoever starts meanwhile sees the one before or the new one, whole.
 * 3. `dev` and `demo` are not in it: they are a whole Holdfast, and run from the sources.
 */
import { closeSync, mkdirSync, openSync, readSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const root = resolve(here, "../../../..");
const entry = join(here, "../main.ts");
const HEAD = "// made of ";
const HEAD_BYTES_MAX = 1024 * 1024;

/**
 * A source: its path from the root, its size, its time of change.
 * @typedef {[path: string, size: number, mtimeMs: number]} Source
 */

/** @param {string} path @returns {Source} */
function sourceAt(path) {
  const { size, mtimeMs } = statSync(join(root, path));
  return [path, size, mtimeMs];
}

/** @param {string} file @returns {Source[]} empty where there is no bundle, or one that says nothing of itself */
function sourcesOf(file) {
  let opened;
  try {
    opened = openSync(file, "r");
    const bytes = Buffer.alloc(HEAD_BYTES_MAX);
    const head = bytes.toString("utf8", 0, readSync(opened, bytes)).split("\n", 1)[0] ?? "";
    return head.startsWith(HEAD) ? JSON.parse(head.slice(HEAD.length)) : [];
  } catch {
    return [];
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
}

/** Run a whole Holdfast, which is not in the bundle. */
const FROM_SOURCES = ["dev", "demo"];
/** Options that may stand before the command, and whose value is no command. */
const WITH_VALUE = ["--admin", "--tls-ca", "--tls-cert", "--tls-key"];

/** @param {readonly string[]} args of the command line @returns {boolean} whether the bundle can't run them; help it has of all */
export function needsSources(args) {
  if (args.includes("--help") || args.includes("-h")) return false;
  const command = args.find(
    (word, at) => !word.startsWith("-") && !WITH_VALUE.includes(at === 0 ? "" : (args[at - 1] ?? "")),
  );
  return command !== undefined && FROM_SOURCES.includes(command);
}

/** @param {string} file whether it is there and made of the sources as they are now */
export function isFresh(file) {
  const sources = sourcesOf(file);
  try {
    return (
      sources.length > 0 &&
      sources.every(([path, size, mtimeMs]) => {
        const now = sourceAt(path);
        return now[1] === size && now[2] === mtimeMs;
      })
    );
  } catch {
    return false;
  }
}

/** @param {string} file where to write it @returns {Promise<string[]>} the sources that it was made of, packages included */
export async function makeBundle(file) {
  const { build } = await import("esbuild");
  const beganMs = Date.now();
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    target: "node20",
    format: "esm",
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "silent",
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
    },
    plugins: [
      {
        name: "leaves out what runs from the sources",
        setup(building) {
          building.onResolve({ filter: /^\.\/(dev|demo)\.js$/ }, ({ path, importer }) => ({
            path: pathToFileURL(join(dirname(importer), path.replace(/\.js$/, ".ts"))).href,
            external: true,
          }));
        },
      },
    ],
  });
  const inputs = Object.keys(metafile.inputs);
  const ours = inputs.filter((path) => !path.includes("node_modules/"));
  // One that was written while it was read may be older in the bundle than on the disk: the next start makes it anew.
  const sources = [...ours, "pnpm-lock.yaml", relative(root, fileURLToPath(import.meta.url))]
    .map(sourceAt)
    .map(([path, size, mtimeMs]) => [path, size, mtimeMs < beganMs ? mtimeMs : 0]);
  mkdirSync(dirname(file), { recursive: true });
  const beside = `${file}.${process.pid}`;
  writeFileSync(beside, `${HEAD}${JSON.stringify(sources)}\n${outputFiles[0]?.text ?? ""}`);
  renameSync(beside, file);
  return inputs;
}
