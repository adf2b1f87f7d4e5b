/** One message of the intake stream, as the port shows it. */
import type { PublishedMessage, WorkMessage } from "@holdfast/engine";
import type { Msg } from "nats";
import { type Delivery, plainBytes } from "./delivery.js";
import type { StoredMessage } from "./js-api.js";
import { headerBlockOf, headerIn, type ParsedHeaders, parseHeaderBlock } from "./header-block.js";

const NS_PER_MS = 1e6;
const ACK = "+ACK";

export class NatsWorkMessage implements WorkMessage {
  readonly subject: string;
  readonly seq: number;
  readonly atNs: bigint;
  readonly data: Uint8Array;
  readonly headers: ParsedHeaders;
  private answered = false;

  constructor(
    private readonly message: Msg,
    delivery: Delivery,
    readonly streamCreatedNs: bigint,
    private readonly onProblem: (thrown: unknown) => void,
  ) {
    this.subject = message.subject;
    this.seq = delivery.streamSeq;
    this.atNs = delivery.atNs;
    this.data = plainBytes(message.data);
    this.headers = parseHeaderBlock(headerBlockOf(message));
  }

  get headerProblem(): string | undefined {
    return this.headers.problem;
  }

  header(name: string): string | undefined {
    return headerIn(this.headers, name);
  }

  headerList(): ParsedHeaders["all"] {
    return this.headers.all;
  }

  ack(): void {
    this.answer(ACK);
  }

  retryLater(delayMs: number): void {
    this.answer(`-NAK ${JSON.stringify({ delay: Math.max(0, Math.round(delayMs * NS_PER_MS)) })}`);
  }

  private answer(text: string): void {
    if (this.answered) return;
    this.answered = true;
    try {
      this.message.respond(new TextEncoder().encode(text));
    } catch (thrown) {
      // Not answered, it comes again after a while: that is safe.
      this.onProblem(thrown);
    }
  }
}

/** One that stands in the stream, seen without taking it. */
export function publishedMessage(stored: StoredMessage, streamCreatedNs: bigint): PublishedMessage {
  const headers = parseHeaderBlock(stored.headerBlock);
  return {
    subject: stored.subject,
    seq: stored.seq,
    streamCreatedNs,
    atNs: stored.atNs,
    data: stored.data,
    headerProblem: headers.problem,
    header: (name) => headerIn(headers, name),
    headerList: () => headers.all,
  };
}
