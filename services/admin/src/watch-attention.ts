/** WatchAttention: what a person should look at, as it happens. Told, not kept: GetRun, Check and DescribeCluster show how things stand. */
import { ATTENTION_PREFIX, attentionSubject } from "@holdfast/engine";
import { type Attention, AttentionBatchSchema, type WatchAttentionRequest } from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import { type CallContext, RpcError } from "@holdfast/rpc";
import type { AdminParts } from "./parts.js";
import * as check from "./validate/fields.js";

/** A watcher that reads so slowly that more than this waits for it is told to look for itself. */
const WAITING_MAX = 10_000;

export async function* watchAttention(
  { bus }: AdminParts,
  { workflow }: WatchAttentionRequest,
  context: CallContext,
) {
  const subject = workflow === "" ? `${ATTENTION_PREFIX}>` : attentionSubject(check.workflowName(workflow));
  const waiting: Attention[] = [];
  let wake = (): void => undefined;
  const subscription = bus.subscribe(subject, ({ data }) => {
    waiting.push(...decode(AttentionBatchSchema, data.slice()).attentions);
    wake();
  });
  const stop = (): void => wake();
  context.signal.addEventListener("abort", stop);
  try {
    await bus.flush();
    yield {};
    while (!context.signal.aborted) {
      if (waiting.length > WAITING_MAX) {
        throw new RpcError(
          "RESOURCE_EXHAUSTED",
          `more than ${WAITING_MAX} things wait to be read: look at \`holdfast runs --failed\`, then watch again`,
        );
      }
      for (const attention of waiting.splice(0)) yield { attention };
      if (waiting.length === 0 && !context.signal.aborted)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    subscription.unsubscribe();
    context.signal.removeEventListener("abort", stop);
  }
}
