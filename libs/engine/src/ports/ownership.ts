/**
 * Port: which partitions a node should try to own. A suggestion from liveness and placement; the log decides who owns one.
 */
export interface Ownership {
  /** Partitions this node should open and announce itself for. */
  candidates(partitions: number): readonly number[];
  /** Other nodes can be there, and may want the same partitions: then nodes tell each other that they live. */
  readonly contested: boolean;
}

const all = (partitions: number): number[] => Array.from({ length: partitions }, (_, partition) => partition);

/** One node on a bus and a log of its own: all partitions are its own. */
export const soleOwner: Ownership = { candidates: all, contested: false };

/** The one node of a cluster, on a log that others can reach: it wants all partitions, and makes sure that nobody else does. */
export const onlyNode: Ownership = { candidates: all, contested: true };
