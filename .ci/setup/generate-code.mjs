/** Generates libs/proto/src/gen from proto/ when a .proto file, a buf setting or the generator changed. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { run } from "./run.mjs";
import { digestOf, isStamped, stamp } from "./stamps.mjs";

const outFolder = join(root, "libs", "proto", "src", "gen");

function protoFiles() {
  const folder = join(root, "proto");
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".proto"))
    .map((name) => join(folder, name));
}

export async function generateCode({ forceGen = false } = {}) {
  const protos = protoFiles();
  if (protos.length === 0) return undefined;
  const generator = join(root, "node_modules", "@bufbuild", "protoc-gen-es", "package.json");
  const digest = digestOf([...protos, join(root, "buf.yaml"), join(root, "buf.gen.yaml"), generator]);
  if (!forceGen && isStamped("generated code", digest) && existsSync(outFolder)) return undefined;
  await run(join(root, "node_modules", ".bin", "buf"), ["generate"], {
    advice: "Mend the .proto file that it names, then run this again.",
  });
  stamp("generated code", digest);
  return `from ${protos.length} .proto files`;
}
