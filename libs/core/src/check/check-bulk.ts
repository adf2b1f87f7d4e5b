/**
 * Holds a bulk operation, and a partition's part in it, against what is there. Reads only; mends nothing.
 *
 * I7: every run that it matched was retried (or what else it does), raced or refused, or is still to come; each is counted once.
 */
import {
  type BulkPart,
  BulkPartSchema,
  BulkPhase,
  type BulkRecord,
  type BulkShareRecord,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { isBulkEnded } from "../bulk/operation.js";
import { NOT_A_RUN_ID } from "../bulk/ids.js";
import type { FoundInBooks } from "./found.js";

/** `left`: runs that wait for it in this partition. */
export function checkBulkShare(
  operationId: string,
  { part, granted, phase }: Pick<BulkShareRecord, "part" | "granted" | "phase">,
  left: number,
): FoundInBooks[] {
  const { matched, handled, isClosed } = part ?? init(BulkPartSchema);
  const found: string[] = [];
  if (phase === BulkPhase.CLOSING) {
    if (isClosed && left > 0) found.push(`it has let go of all, but ${left} runs still wait for it`);
  } else if (left !== matched - handled)
    found.push(`${matched} runs were matched and ${handled} come to, but ${left} are still to come`);
  if (granted > 0 && handled > granted)
    found.push(`it has come to ${handled} runs, but was granted ${granted}`);
  return found.map((message) => ({
    rule: "I7",
    of: operationId,
    message: `operation ${operationId}: ${message}`,
  }));
}

export function checkBulkOperation(
  operationId: string,
  { parts, counts, status, wrongIds }: Pick<BulkRecord, "parts" | "counts" | "status" | "wrongIds">,
): FoundInBooks[] {
  const found: string[] = [];
  const handled = parts.reduce((sum, part: BulkPart) => sum + BigInt(part.handled), 0n);
  const { done = 0n, raced = 0n, refused = 0n, pruned = 0n, refusals = [] } = counts ?? {};
  const counted = done + raced + refused + pruned;
  if (counted !== handled + BigInt(wrongIds))
    found.push(
      `${handled} runs were come to${wrongIds > 0 ? ` and ${wrongIds} are no run ids` : ""}, but ${counted} are done, raced, refused or pruned`,
    );
  const ofWrong = refusals.find(({ why }) => why === NOT_A_RUN_ID)?.count ?? 0n;
  if (ofWrong !== BigInt(wrongIds))
    found.push(`${wrongIds} of its list are no run ids, but ${ofWrong} are refused as such`);
  const reasons = refusals.reduce((sum, { count }) => sum + count, 0n);
  if (reasons !== refused) found.push(`${refused} runs were refused, but for ${reasons} there is a reason`);
  const open = parts.filter(({ isClosed }) => !isClosed).length;
  if (isBulkEnded(status) && open > 0) found.push(`it has ended, but ${open} partitions have not let go`);
  return found.map((message) => ({
    rule: "I7",
    of: operationId,
    message: `operation ${operationId}: ${message}`,
  }));
}
