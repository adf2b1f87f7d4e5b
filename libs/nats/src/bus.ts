/** The bus on core NATS. Nothing here is durable. */
import { type Bus, type BusMessage, type BusSubscription, PortError } from "@holdfast/engine";
import { limitedLogger, type Logger } from "@holdfast/telemetry";
import { createInbox, type Msg } from "nats";
import type { Connection } from "./connection.js";
import { plainBytes } from "./delivery.js";
import { fromNats } from "./errors.js";

/** White space would end the subject and start another protocol field. */
const NOT_A_SUBJECT = /[\s\0]|^$/;

export class NatsBus implements Bus {
  readonly maxMessageBytes: number;
  private readonly logger: Logger;

  constructor(private readonly connection: Connection) {
    this.maxMessageBytes = connection.maxPayloadBytes;
    this.logger = limitedLogger(connection.logger);
  }

  inbox(): string {
    return createInbox();
  }

  publish(subject: string, data: Uint8Array): void {
    checkSubject(subject);
    try {
      this.connection.nc.publish(subject, data);
    } catch (thrown) {
      throw fromNats(thrown, `publish to ${subject}`);
    }
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: { readonly queue?: string } = {},
  ): BusSubscription {
    checkSubject(subject);
    const { nc } = this.connection;
    const { logger } = this;
    const subscription = nc.subscribe(subject, {
      ...options,
      callback: (error, message) => {
        if (error !== null) {
          logger.error("NATS refused a subscription; check the permissions", { err: error, subject });
          return;
        }
        try {
          handler(busMessage(message, this.connection, logger));
        } catch (thrown) {
          logger.error("a handler of bus messages failed", { err: thrown, subject: message.subject });
        }
      },
    });
    return {
      unsubscribe: () => {
        if (!nc.isClosed()) subscription.unsubscribe();
      },
    };
  }

  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    checkSubject(subject);
    try {
      return plainBytes((await this.connection.nc.request(subject, data, { timeout: timeoutMs })).data);
    } catch (thrown) {
      throw fromNats(thrown, `get an answer from ${subject} within ${timeoutMs} ms`);
    }
  }

  async flush(): Promise<void> {
    try {
      await this.connection.nc.flush();
    } catch (thrown) {
      throw fromNats(thrown, "flush what was published");
    }
  }

  onReconnect(handler: () => void): BusSubscription {
    return { unsubscribe: this.connection.onReconnect(handler) };
  }
}

function busMessage(message: Msg, { nc }: Connection, logger: Logger): BusMessage {
  return {
    subject: message.subject,
    data: plainBytes(message.data),
    respond(data) {
      try {
        if (!nc.isClosed()) message.respond(data);
      } catch (thrown) {
        logger.error("an answer could not be sent", { err: thrown, subject: message.subject });
      }
    },
  };
}

function checkSubject(subject: string): void {
  if (!NOT_A_SUBJECT.test(subject)) return;
  throw new PortError(
    "not-found",
    `${JSON.stringify(subject.slice(0, 60))} is no subject: it is empty or holds white space`,
  );
}
