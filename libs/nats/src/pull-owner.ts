/** What a `PullFeed` is told by whoever knows what it reads. */
import type { Msg } from "nats";

export interface PullBounds {
  readonly messages: number;
  readonly bytes: number;
}

export interface PullOwner<T> {
  /** What is read, for people. */
  readonly what: string;
  readonly stream: string;
  readonly bounds: PullBounds;
  /** Makes the consumer and checks what must hold; resolves with its name. A `PortError` whose `retry` is `never` ends the feed. */
  attach(): Promise<string>;
  /** Clears up after a consumer that is not used any more. Must not throw. */
  detach(consumer: string): void;
  /** Takes one message; `undefined` means: this can't be right, attach anew. Must not throw. */
  accept(message: Msg): { readonly item: T; readonly bytes: number } | undefined;
  /** Takes back an item that nobody took before the reading ended. Must not throw. */
  giveBack?(item: T): void;
  /** Called about once a second while nothing comes; true means: attach anew. */
  idle?(silentForMs: number): Promise<boolean>;
}
