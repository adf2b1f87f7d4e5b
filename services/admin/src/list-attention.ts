/** ListAttention: what needs a person now, over all partitions. A partition that does not answer is an error, never a shorter list. */
import {
  type Attention,
  type ListAttentionAnswer,
  ListAttentionQuerySchema,
  type ListAttentionRequest,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { type CallContext, RpcError } from "@holdfast/rpc";
import { withinBytes } from "./answer-bytes.js";
import { type AdminParts, withinDeadline } from "./parts.js";
import * as check from "./validate/fields.js";

const LISTED_DEFAULT = 100;
const LISTED_MAX = 1_000;

export async function listAttention(
  { queries, clock }: AdminParts,
  request: ListAttentionRequest,
  context: CallContext,
) {
  const { limit } = request;
  if (limit > LISTED_MAX) throw check.invalid("limit", `At most ${LISTED_MAX} can be listed at once.`);
  const value = init(ListAttentionQuerySchema, {
    workflow: check.optionalWorkflow(request.workflow),
    limit: limit || LISTED_DEFAULT,
  });
  const options = withinDeadline(context, clock);
  const answers = await Promise.all(
    Array.from({ length: queries.partitions }, async (_, partition): Promise<ListAttentionAnswer> => {
      const result = await queries.query(partition, { case: "listAttention", value }, options);
      if (result.case === "attention") return result.value;
      throw new RpcError(
        "UNAVAILABLE",
        `partition ${partition} answered a question about what needs a person with ${result.case ?? "nothing"}; its node may be of another version`,
        { partition },
      );
    }),
  );
  const all = answers.flatMap(({ attentions }) => attentions).sort(newestFirst);
  const attentions = withinBytes(all.slice(0, value.limit), ({ message }) => 3 * message.length + 512);
  return { attentions, more: all.length > attentions.length || answers.some(({ more }) => more) };
}

const newestFirst = (a: Attention, b: Attention): number => (a.atNs < b.atNs ? 1 : a.atNs > b.atNs ? -1 : 0);
