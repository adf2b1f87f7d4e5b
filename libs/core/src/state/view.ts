/**
 * What a fold sees of a partition's state, and how it changes it.
 *
 * 1. A record got from a view is changed in place and then `put`; nothing else may keep or change it.
 * 2. What `get` gives includes all that earlier commands put or deleted.
 */
import type { Key } from "./tables.js";

export interface View {
  get<M>(key: Key<M>): M | undefined;
  put<M>(key: Key<M>, record: M): void;
  del<M>(key: Key<M>): void;
}
