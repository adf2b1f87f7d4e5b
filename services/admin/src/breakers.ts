/** ListBreakers, GetBreaker and ChangeBreaker: each partition has a breaker of its own, so all are asked. */
import { WAIT_MS_MAX } from "@holdfast/core";
import { changeBreakerCommand } from "@holdfast/engine";
import {
  type BreakerView,
  type ChangeBreakerRequest,
  type GetBreakerRequest,
  type ListBreakersQuery,
  ListBreakersQuerySchema,
  type ListBreakersRequest,
  RejectCode,
  type Rejected,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { type CallContext, RpcError } from "@holdfast/rpc";
import { commandId } from "./control-command.js";
import { refusedError } from "./errors.js";
import { type AdminParts, withinDeadline } from "./parts.js";
import * as check from "./validate/fields.js";

const SHOWN_MAX = 1_000;
const A_PAGE = 250;
const KEY_CHARS_MAX = 128;
const MS = 1_000_000n;

export async function listBreakers(parts: AdminParts, request: ListBreakersRequest, context: CallContext) {
  const workflow = check.optionalWorkflow(request.workflow);
  const breakers: BreakerView[] = [];
  for (let partition = 0; partition < parts.queries.partitions; partition++) {
    let after: Uint8Array = new Uint8Array();
    do {
      const query = { workflow, openOnly: request.openOnly, limit: A_PAGE, after };
      const page = await ask(parts, partition, query, context);
      breakers.push(...page.breakers);
      after = page.next;
    } while (after.length > 0 && breakers.length <= SHOWN_MAX);
    if (breakers.length > SHOWN_MAX) return { breakers: breakers.slice(0, SHOWN_MAX), more: true };
  }
  return { breakers, more: false };
}

export async function getBreaker(parts: AdminParts, request: GetBreakerRequest, context: CallContext) {
  const name = nameOf(request);
  const answers = await Promise.all(
    Array.from({ length: parts.queries.partitions }, (_, partition) =>
      ask(parts, partition, { ...name, limit: 1 }, context),
    ),
  );
  const breakers = answers.flatMap((answer) => answer.breakers);
  if (breakers.length === 0)
    throw new RpcError(
      "NOT_FOUND",
      `no partition keeps a breaker of ${name.workflow}/${name.action}${name.key === "" ? "" : ` for "${name.key}"`}: it is closed and idle, or there is none`,
      { workflow: name.workflow, action: name.action },
    );
  return { breakers };
}

export async function changeBreaker(parts: AdminParts, request: ChangeBreakerRequest, context: CallContext) {
  const name = nameOf(request);
  const { change } = request;
  if (change.case === undefined) throw check.invalid("change", "Exactly one of open and reset is to be set.");
  const nowMs = parts.clock.nowMs();
  const forMs = change.case === "open" ? change.value.forMs : undefined;
  if (forMs !== undefined && forMs > WAIT_MS_MAX)
    throw check.invalid("for_ms", `it is ${forMs}; at most ten years (${WAIT_MS_MAX}) are allowed`);
  const command = changeBreakerCommand({
    ...name,
    id: commandId(
      `breaker-${change.case}`,
      `${name.workflow}/${name.action}/${name.key}`,
      check.requestId(request.requestId),
    ),
    untilNs: forMs === undefined ? undefined : forMs === 0n ? 0n : (BigInt(nowMs) + forMs) * MS,
    who: context.who,
    reason: check.reason(request.reason),
    nowMs,
  });
  const answers = await Promise.all(
    Array.from({ length: parts.queries.partitions }, (_, partition) =>
      parts.commands.submit(partition, command),
    ),
  );
  let partitions = 0;
  let closed: Rejected | undefined;
  for (const { result } of answers) {
    if (result.case === "accepted") partitions += 1;
    if (result.case !== "rejected") continue;
    // What is closed in one partition may be open in another.
    if (result.value.code !== RejectCode.BREAKER_CLOSED) throw refusedError(result.value);
    closed = result.value;
  }
  if (partitions === 0 && closed !== undefined) throw refusedError(closed);
  return { partitions };
}

function nameOf({ workflow, action, key }: { workflow: string; action: string; key: string }) {
  if (key.length > KEY_CHARS_MAX)
    throw check.invalid("key", `A key has at most ${KEY_CHARS_MAX} characters.`);
  if (action === "") throw check.invalid("action", "Name the action whose breaker it is.");
  return { workflow: check.workflowName(workflow), action: check.optionalAction(action), key };
}

async function ask(
  { queries, clock }: AdminParts,
  partition: number,
  fields: Init<ListBreakersQuery>,
  context: CallContext,
) {
  const value = init(ListBreakersQuerySchema, fields);
  const result = await queries.query(
    partition,
    { case: "listBreakers", value },
    withinDeadline(context, clock),
  );
  if (result.case === "breakers") return result.value;
  throw new RpcError(
    "UNAVAILABLE",
    `partition ${partition} answered a question about breakers with ${result.case ?? "nothing"}; its node may be of another version`,
    { partition },
  );
}
