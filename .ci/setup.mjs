/**
 * Makes a fresh clone ready to run, with nothing but Node and npm: pnpm, dependencies, generated
 * code, a nats-server. Plain JavaScript without dependencies, since it runs before there are any.
 *
 * 1. Writes only inside the repository (`.tools/`, `node_modules/`, `libs/proto/src/gen/`) and the package managers' own caches.
 * 2. Each step is skipped when the inputs it last succeeded with are unchanged (`.tools/stamps.json`).
 * 3. Two runs at once take turns.
 *
 * Options:
 *   --force-gen    generate the protobuf code even when no .proto file changed
 *   --with-server  provide a nats-server even when HOLDFAST_NATS_URL names one (tests start and kill their own)
 */
import { performance } from "node:perf_hooks";
import { mkdirSync } from "node:fs";
import { generateCode } from "./setup/generate-code.mjs";
import { installDependencies } from "./setup/install-dependencies.mjs";
import { installPnpm } from "./setup/install-pnpm.mjs";
import { provideNatsServer } from "./setup/provide-nats-server.mjs";
import { SetupError } from "./setup/run.mjs";
import { withLock } from "./setup/lock.mjs";
import { toolsFolder } from "./setup/paths.mjs";

const NODE_MIN = [20, 19];

/** Each step returns a short text when it did something, undefined when there was nothing to do. */
const steps = [
  { name: "pnpm", run: installPnpm },
  { name: "dependencies", run: installDependencies },
  { name: "generated code", run: generateCode },
  { name: "nats-server", run: provideNatsServer },
];

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return;
  throw new SetupError(
    `Holdfast needs Node ${NODE_MIN.join(".")} or newer; this is ${process.versions.node}.`,
  );
}

async function main() {
  checkNode();
  const options = {
    forceGen: process.argv.includes("--force-gen"),
    withServer: process.argv.includes("--with-server"),
  };
  mkdirSync(toolsFolder, { recursive: true });
  await withLock(async () => {
    for (const { name, run } of steps) {
      const began = performance.now();
      const progress = (text) => process.stdout.write(`  ${name}: ${text}\n`);
      const done = await run({ ...options, progress });
      if (done === undefined) continue;
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      process.stdout.write(`✓ ${name} ${done} (${seconds} s)\n`);
    }
  });
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`\n✗ Set-up stopped: ${error.message}\n`);
  process.exitCode = 1;
}
