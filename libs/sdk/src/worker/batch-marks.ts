/**
 * Which task batches of each node have arrived. Batches of a (node, worker) are numbered densely from 1; what beats say of
 * them lets the node send again what was lost. It never looks into a batch.
 */
import type { BatchMark } from "@holdfast/proto";

interface NodeMark {
  /** All up to here have arrived. */
  contiguous: number;
  /** Arrived beyond a lost one. */
  readonly ahead: Set<number>;
}

export class BatchMarks {
  /** The node heard of last stands last. */
  readonly #nodes = new Map<string, NodeMark>();
  #last: NodeMark | undefined;
  readonly #maxNodes: number;
  readonly #maxAhead: number;

  constructor(maxNodes: number, maxAhead: number) {
    this.#maxNodes = maxNodes;
    this.#maxAhead = maxAhead;
  }

  /** `new`: to be worked on. `duplicate`: it came before. `beyond`: too far ahead of a lost one; it will come again. */
  receive(node: string, batch: number): "new" | "duplicate" | "beyond" {
    const mark = this.#mark(node);
    if (batch <= mark.contiguous || mark.ahead.has(batch)) return "duplicate";
    if (batch === mark.contiguous + 1) {
      mark.contiguous = batch;
      while (mark.ahead.size > 0 && mark.ahead.delete(mark.contiguous + 1)) mark.contiguous++;
      return "new";
    }
    if (mark.ahead.size >= this.#maxAhead || batch > mark.contiguous + this.#maxAhead) return "beyond";
    mark.ahead.add(batch);
    return "new";
  }

  /** A batch of some node has not arrived that a later one of it has. */
  get gap(): boolean {
    for (const mark of this.#nodes.values()) if (mark.ahead.size > 0) return true;
    return false;
  }

  toProto(): BatchMark[] {
    return Array.from(this.#nodes, ([node, mark]) => ({
      $typeName: "holdfast.v1.BatchMark",
      node,
      batch: BigInt(mark.contiguous),
    }));
  }

  #mark(node: string): NodeMark {
    const known = this.#nodes.get(node);
    if (known !== undefined && this.#last === known) return known;
    const mark = known ?? { contiguous: 0, ahead: new Set() };
    this.#nodes.delete(node);
    this.#nodes.set(node, mark);
    this.#last = mark;
    if (this.#nodes.size > this.#maxNodes) {
      const [oldest] = this.#nodes.keys();
      if (oldest !== undefined) this.#nodes.delete(oldest);
    }
    return mark;
  }
}
