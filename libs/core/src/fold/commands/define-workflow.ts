/** DefineWorkflow: the partition keeps a definition for ever, and makes it the latest of its name. Idempotent by hash. */
import {
  type Command,
  type DefineWorkflow,
  DefinitionRecordSchema,
  LatestRecordSchema,
  RejectCode,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { hashDefinition } from "../../definition/hash.js";
import { definitionProblems } from "../../definition/validate.js";
import { quoted } from "../../names.js";
import { definitionKey, latestKey } from "../../state/tables.js";
import type { FoldContext } from "../context.js";

export function defineWorkflow(
  ctx: FoldContext,
  command: Command,
  { definition, hash }: DefineWorkflow,
): void {
  if (definition === undefined) {
    ctx.reject(command, RejectCode.MALFORMED, "a definition command without a definition");
    return;
  }
  const problems = definitionProblems(definition);
  if (problems.length > 0) {
    ctx.reject(
      command,
      RejectCode.INVALID_DEFINITION,
      `workflow ${quoted(definition.name)} can't be registered: ${problems.join("; ")}`,
    );
    return;
  }
  // Also where the hash is known: under it, another definition must not become the latest of its name.
  if (hashDefinition(definition) !== hash) {
    ctx.reject(
      command,
      RejectCode.INVALID_DEFINITION,
      `the definition of ${quoted(definition.name)} does not have the hash ${quoted(hash)} that was sent with it`,
    );
    return;
  }
  if (ctx.view.get(definitionKey(hash)) === undefined)
    ctx.view.put(definitionKey(hash), init(DefinitionRecordSchema, { definition, definedAtNs: ctx.atNs }));
  const key = latestKey(definition.name);
  // It may keep its runs for less long than the one before.
  if (ctx.view.get(key)?.hash !== hash) ctx.emit({ kind: "sweep" });
  ctx.view.put(key, init(LatestRecordSchema, { hash }));
  ctx.accept(command, {});
}
