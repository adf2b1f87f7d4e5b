/** Installs the workspace's dependencies exactly as the lockfile says. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pnpmEntry } from "./install-pnpm.mjs";
import { root } from "./paths.mjs";
import { run } from "./run.mjs";
import { digestOf, isStamped, stamp } from "./stamps.mjs";

function manifests() {
  const folders = ["libs", "services"].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(root, parent, name)),
  );
  return [root, join(root, "test"), ...folders].map((folder) => join(folder, "package.json"));
}

export async function installDependencies() {
  const inputs = [...manifests(), join(root, "pnpm-lock.yaml"), join(root, "pnpm-workspace.yaml")];
  const digest = digestOf(inputs, [root, process.versions.modules, process.platform, process.arch]);
  const modulesState = join(root, "node_modules", ".modules.yaml");
  if (isStamped("dependencies", digest) && existsSync(modulesState)) return undefined;
  await run(process.execPath, [pnpmEntry, "install", "--frozen-lockfile"], {
    // CI=true: never ask a question; a person at the terminal would not see it.
    env: { ...process.env, CI: "true" },
    advice:
      "If the lockfile is out of date after a package.json changed: `npm run pnpm -- install`, then commit pnpm-lock.yaml.\n" +
      "If packages could not be fetched: check that `npm ping` succeeds, then run this again.",
  });
  stamp("dependencies", digest);
  return "installed";
}
