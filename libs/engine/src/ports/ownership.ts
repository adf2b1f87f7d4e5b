/**
 * Port: which partitions a node should try to own. A suggestion from liveness and placement; the log decides who owns one.
 */
export interface Ownership {
  /** Partitions this node should open and announce itself for. */
  candidates(partitions: number): readonly number[];
}

/** One node alone: all partitions are its own. */
export const soleOwner: Ownership = {
  candidates: (partitions) => Array.from({ length: partitions }, (_, partition) => partition),
};
