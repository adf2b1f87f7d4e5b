/**
 * Publishes one message as any program may: over a TCP connection in NATS's own text protocol, with nothing of Holdfast.
 * It asks for JetStream's acknowledgement, so that resolved means stored. Plain TCP only, with user and password or a token
 * from the URL; no TLS.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface PlainMessage {
  readonly subject: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** What JetStream answers. */
export interface Stored {
  readonly stream: string;
  readonly seq: number;
}

export class PublishError extends Error {
  override readonly name = "PublishError";

  constructor(
    message: string,
    /** The server's limit in bytes, where the message was over it. */
    readonly maxBytes: number | undefined,
    options: { cause: unknown },
  ) {
    super(message, options);
  }
}

const DEFAULT_PORT = 4222;
const ANSWER_MS_MAX = 10_000;

/** Rejects with a PublishError where the server can't be reached, takes no message so large, or no stream stores it. */
export async function publishPlainly(natsUrl: string, message: PlainMessage): Promise<Stored> {
  const url = new URL(natsUrl);
  const socket = connect(Number(url.port || DEFAULT_PORT), url.hostname);
  socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error(`${url.host} did not answer in time`)));
  let maxBytes: number | undefined;
  try {
    await once(socket, "connect");
    const reader = new ProtocolReader(socket);
    const info = JSON.parse((await reader.line()).replace(/^INFO /, "")) as { max_payload: number };
    if (message.body.length > info.max_payload) {
      maxBytes = info.max_payload;
      throw new Error(
        `it has ${message.body.length} bytes and ${url.host} takes ${maxBytes} (max_payload in its configuration)`,
      );
    }
    const inbox = `_INBOX.${randomBytes(8).toString("hex")}`;
    const headers = `NATS/1.0\r\n${Object.entries(message.headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")}\r\n`;
    socket.write(`CONNECT ${JSON.stringify(connectOptions(url))}\r\nSUB ${inbox} 1\r\n`);
    socket.write(
      `HPUB ${message.subject} ${inbox} ${headers.length} ${headers.length + message.body.length}\r\n${headers}`,
    );
    socket.write(message.body);
    socket.write("\r\n");
    return readAnswer(await reader.message());
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new PublishError(`${message.subject} was not published: ${why}`, maxBytes, { cause: error });
  } finally {
    socket.destroy();
  }
}

function connectOptions(url: URL): object {
  const [user, pass] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  const auth = user === "" ? {} : pass === "" ? { auth_token: user } : { user, pass };
  return {
    verbose: false,
    pedantic: false,
    headers: true,
    no_responders: true,
    lang: "plain",
    version: "1",
    protocol: 1,
    ...auth,
  };
}

function readAnswer(answer: string): Stored {
  if (answer === "") throw new Error("no stream takes this subject: is Holdfast running on this NATS?");
  const { stream, seq, error } = JSON.parse(answer) as {
    stream?: string;
    seq?: number;
    error?: { description: string };
  };
  if (stream === undefined || seq === undefined)
    throw new Error(error?.description ?? `unexpected answer ${answer}`);
  return { stream, seq };
}

/** Reads the protocol's lines, and the body of the one message that is expected. */
class ProtocolReader {
  private buffered = Buffer.alloc(0);
  private readonly chunks: AsyncIterator<Buffer>;

  constructor(private readonly socket: Socket) {
    this.chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  async line(): Promise<string> {
    for (;;) {
      const end = this.buffered.indexOf("\r\n");
      if (end !== -1)
        return this.take(end + 2)
          .subarray(0, end)
          .toString("utf8");
      await this.more();
    }
  }

  /** The body of the next message; empty where the server says that nobody takes it. */
  async message(): Promise<string> {
    for (;;) {
      const [verb, ...rest] = (await this.line()).split(" ");
      if (verb === "PING") this.socket.write("PONG\r\n");
      else if (verb === "-ERR") throw new Error(rest.join(" "));
      else if (verb === "MSG" || verb === "HMSG") {
        const total = Number(rest.at(-1));
        const headerBytes = verb === "HMSG" ? Number(rest.at(-2)) : 0;
        while (this.buffered.length < total + 2) await this.more();
        return this.take(total + 2)
          .subarray(headerBytes, total)
          .toString("utf8");
      }
    }
  }

  private take(bytes: number): Buffer {
    const taken = this.buffered.subarray(0, bytes);
    this.buffered = this.buffered.subarray(bytes);
    return taken;
  }

  private async more(): Promise<void> {
    const { value, done } = await this.chunks.next();
    if (done === true) throw new Error("the server closed the connection");
    this.buffered = Buffer.concat([this.buffered, value]);
  }
}
