/**
 * What `npm run holdfast` starts: says what is missing where the set-up is, else runs the command from a bundle, which needs a sixth of the processor time to start.
 * Plain JavaScript without packages, since there may be none yet.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isFresh, makeBundle, needsSources, root } from "./bundle.mjs";

const bundle = join(root, ".tools/cli/holdfast.mjs");
const NEEDED = [
  ["dependencies", "services/cli/node_modules/esbuild"],
  ["generated code", "libs/proto/src/gen/holdfast/v1/admin_pb.ts"],
];
async function fromSources() {
  const { register } = await import("tsx/esm/api");
  register();
  await import("../main.ts");
}

async function start() {
  const missing = NEEDED.filter(([, path = ""]) => !existsSync(join(root, path))).map(([what]) => what);
  if (missing.length > 0) {
    process.stderr.write(
      `holdfast: ${root} is not set up: it has no ${missing.join(" and no ")}. Type \`npm run setup\` there first.\n`,
    );
    process.exitCode = 1;
    return;
  }
  if (needsSources(process.argv.slice(2))) return fromSources();
  if (!isFresh(bundle)) {
    try {
      await makeBundle(bundle);
    } catch {
      // A folder that can't be written, or sources that can't be bundled: they say themselves what is wrong with them.
      return fromSources();
    }
  }
  await import(pathToFileURL(bundle).href);
}

await start();
