/** `holdfast artifacts put`: stores a file, and says how a run's input refers to it. */
import { PutArtifactResponseSchema } from "@holdfast/proto";
import type { Command } from "commander";
import { uploadFile } from "../artifact-file.js";
import { ExitCode } from "../exit-codes.js";
import type { Register } from "./register.js";

interface PutOptions {
  readonly name?: string;
  readonly contentType?: string;
}

export function registerArtifacts(program: Command, register: Register): void {
  const artifacts = program
    .command("artifacts")
    .summary("store files for runs to refer to")
    .description("Files in the object store, which inputs and outputs of runs refer to.");
  const put = artifacts
    .command("put")
    .summary("store a file, print its reference")
    .description(
      "Stores a file, streamed, and prints its reference: JSON that may stand anywhere in a run's input. The same content is kept once.",
    )
    .argument("<file>", "its path")
    .option("--name <name>", "what it is called; default: the file's name")
    .option("--content-type <type>", "default: JSON lines for .jsonl and .ndjson, else bytes");
  register(put, (context, [path = ""], options: PutOptions) =>
    context.withAdmin(async (admin) => {
      const { name, contentType } = options;
      const answer = await uploadFile(admin, { path, name, contentType }, context.io.interrupted);
      if (context.json) context.printJson(PutArtifactResponseSchema, answer);
      else context.print([answer.referenceJson]);
      return ExitCode.done;
    }),
  );
}
