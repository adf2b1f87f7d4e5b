/**
 * Holds the totals of a workflow's failure signatures against its runs. Reads only; mends nothing.
 *
 * I7: what a signature counts as failed now, runs and items, is what the runs have that it counted; its index has a row for each such run.
 */
import type { RunRecord, SignatureRecord } from "@holdfast/proto";
import { isRunRetryable } from "../status.js";
import type { FoundInBooks } from "./found.js";

/** What runs say of the signatures that counted them. */
export class SignatureTally {
  private readonly sums = new Map<string, { runs: number; items: bigint }>();

  add({ signatures, status }: Pick<RunRecord, "signatures" | "status">): void {
    for (const { id, number, items } of signatures) {
      const key = `${id}/${number}`;
      const sum = this.sums.get(key) ?? { runs: 0, items: 0n };
      if (isRunRetryable(status)) sum.runs += 1;
      sum.items += BigInt(items);
      this.sums.set(key, sum);
    }
  }

  of(id: string, number: bigint): { readonly runs: number; readonly items: bigint } {
    return this.sums.get(`${id}/${number}`) ?? { runs: 0, items: 0n };
  }
}

/** `indexed`: rows of its index; undefined where others than those it counted may be among them. */
export function checkSignatureTotals(
  id: string,
  { workflow, number, runs, items }: Pick<SignatureRecord, "workflow" | "number" | "runs" | "items">,
  tally: SignatureTally,
  indexed: number | undefined,
): FoundInBooks[] {
  const there = tally.of(id, number);
  const found: string[] = [];
  if (runs !== there.runs) found.push(`counts ${runs} failed runs, there are ${there.runs}`);
  if (items !== there.items) found.push(`counts ${items} failed items, there are ${there.items}`);
  if (indexed !== undefined && indexed !== runs)
    found.push(`counts ${runs} failed runs, a retry by it would find ${indexed}`);
  return found.map((message) => ({
    rule: "I7",
    of: workflow,
    message: `signature ${id} of ${workflow} ${message}`,
  }));
}

/** Whether nothing has come to it in between: it counts up with each failure, and down with whatever is failed no more. */
export const isUnchanged = (
  a: Pick<SignatureRecord, "number" | "count" | "runs" | "items">,
  b: Pick<SignatureRecord, "number" | "count" | "runs" | "items"> | undefined,
): boolean =>
  b !== undefined && a.number === b.number && a.count === b.count && a.runs === b.runs && a.items === b.items;
