/** One command to every partition, each of which keeps what it says for its own runs. */
import type { Command, RejectCode, Rejected } from "@holdfast/proto";
import { refusedError } from "./errors.js";
import type { AdminParts } from "./parts.js";

/** `already`: what a partition says that an earlier, interrupted call had reached. All of them saying so is a refusal. */
export async function toAll(parts: AdminParts, command: Command, already?: RejectCode): Promise<void> {
  const { commands, queries } = parts;
  const answers = await Promise.all(
    Array.from({ length: queries.partitions }, (_, partition) => commands.submit(partition, command)),
  );
  let done = 0;
  let refused: Rejected | undefined;
  for (const { result } of answers) {
    if (result.case === "accepted") done += 1;
    if (result.case !== "rejected") continue;
    if (result.value.code !== already) throw refusedError(result.value);
    refused = result.value;
  }
  if (done === 0 && refused !== undefined) throw refusedError(refused);
}
