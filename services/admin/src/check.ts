/** Check: every partition's runs, then its books, against the rules that must always hold, page by page, told as it goes. */
import { create } from "@bufbuild/protobuf";
import { CheckQuerySchema, CheckSection } from "@holdfast/proto";
import { type CallContext, RpcError } from "@holdfast/rpc";
import type { AdminParts } from "./parts.js";

const RUNS_A_PAGE = 500;

export async function* check({ queries }: AdminParts, context: CallContext) {
  const sum = { checkedRuns: 0n, checkedItems: 0n, foundBreaches: 0n };
  for (let partition = 0; partition < queries.partitions; partition++) {
    let afterRunId = "";
    let section = CheckSection.UNSPECIFIED;
    do {
      if (context.signal.aborted) return;
      const value = create(CheckQuerySchema, { section, afterRunId, limit: RUNS_A_PAGE });
      const result = await queries.query(partition, { case: "check", value });
      if (result.case !== "check") {
        throw new RpcError(
          "UNAVAILABLE",
          `partition ${partition} answered a check with ${result.case ?? "nothing"}; its node may be of another version`,
          { partition },
        );
      }
      const { breaches, checkedRuns, checkedItems, nextAfter, nextSection } = result.value;
      sum.checkedRuns += BigInt(checkedRuns);
      sum.checkedItems += checkedItems;
      sum.foundBreaches += BigInt(breaches.length);
      yield { breaches, ...sum, done: false };
      afterRunId = nextAfter;
      if (nextAfter === "") section = nextSection;
    } while (afterRunId !== "" || section !== CheckSection.UNSPECIFIED);
  }
  yield { breaches: [], ...sum, done: true };
}
