/** Puts the pnpm that package.json names into `.tools/pnpm`, through npm. Never global. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, toolsFolder } from "./paths.mjs";
import { run } from "./run.mjs";

const pnpmFolder = join(toolsFolder, "pnpm");
const packageFolder = join(pnpmFolder, "node_modules", "pnpm");

/** pnpm's entry, to be run with Node. */
export const pnpmEntry = join(packageFolder, "bin", "pnpm.cjs");

function installedVersion() {
  try {
    return JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")).version;
  } catch {
    return undefined;
  }
}

export async function installPnpm() {
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const wanted = packageManager.split("@")[1];
  if (installedVersion() === wanted) return undefined;
  await run(
    "npm",
    [
      "install",
      "--prefix",
      pnpmFolder,
      "--no-save",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      packageManager,
    ],
    {
      advice: "npm could not install pnpm: check that `npm ping` succeeds, then run this again.",
    },
  );
  return wanted;
}
