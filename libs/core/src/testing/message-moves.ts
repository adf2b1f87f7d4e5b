/** Messages of a partition to itself, as any owner may bring them; and deliveries that nobody should make. */
import type { Command, PartitionMessage } from "@holdfast/proto";
import { outboxKey, receivedMarkKey, sentMarkKey } from "../state/tables.js";
import { delivered, delivery, requestStart } from "./build.js";
import type { TestPartition } from "./partition.js";

/** Those that are next, or some that were, or some too early; undefined where there are none. */
export function ownMessages(partition: TestPartition, pick: number, how: number): Command | undefined {
  const { view, number } = partition;
  const sent = view.get(sentMarkKey(number));
  if (sent === undefined) return undefined;
  const taken = view.get(receivedMarkKey(number))?.n ?? 0n;
  let firstN = taken + 1n + BigInt(how % 8 === 7 ? (pick % 3) - 1 : 0);
  if (firstN <= sent.delivered) firstN = sent.delivered + 1n;
  const kinds: PartitionMessage["kind"][] = [];
  for (let n = firstN; n <= sent.n && kinds.length <= how % 4; n++)
    kinds.push(view.get(outboxKey(number, n))?.message?.kind ?? { case: undefined });
  if (kinds.length === 0) return undefined;
  const stored = taken < firstN ? taken : firstN - 1n;
  return delivery(kinds, { from: number, firstN, stored });
}

/** What has arrived is let go. */
export const letGo = ({ view, number }: TestPartition): Command =>
  delivered(number, view.get(receivedMarkKey(number))?.n ?? 0n);

/** From a partition other than this one, so that its own messages stay countable. */
export const STRANGE_DELIVERIES: readonly (() => Command)[] = [
  () => delivery([requestStart("r2", "first", "r1"), requestStart("r1", "second", "r3")], { from: 1 }),
  () => delivery([requestStart("r3", "first", "Ł"), { case: undefined }], { from: 1, firstN: 3n }),
  () => delivery([requestStart("r3", "nowhere", "r1")], { from: 1, firstN: 9n, stored: 2n }),
  () => delivered(1, 1n),
];
