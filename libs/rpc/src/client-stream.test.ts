/** Calls whose requests are a stream and whose answer is one message: flow control, early answers, ends from either side. */
import { AdminService, type PutArtifactRequest } from "@holdfast/proto";
import { afterEach, describe, expect, it } from "vitest";
import {
  type CallRecord,
  createClient,
  RpcError,
  serve,
  type ServiceHandlers,
  startServer,
} from "./index.js";

type Handlers = ServiceHandlers<typeof AdminService>;

const opened: { close(): unknown }[] = [];
const calls: CallRecord[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
  calls.length = 0;
});

async function clientOf(putArtifact: Handlers["putArtifact"]) {
  const absent = async (): Promise<never> => {
    throw new RpcError("UNIMPLEMENTED", "not in this test");
  };
  const all = Object.fromEntries(AdminService.methods.map(({ localName }) => [localName, absent]));
  const server = await startServer({
    services: [serve(AdminService, { ...all, putArtifact } as Handlers)],
    observe: (call) => calls.push(call),
  });
  const client = createClient(AdminService, server.address, { user: "ann" });
  opened.push(server, client);
  return client.call;
}

const piece = (bytes: number) => ({ part: { case: "data" as const, value: new Uint8Array(bytes) } });

async function bytesIn(requests: AsyncIterable<PutArtifactRequest>): Promise<bigint> {
  let size = 0n;
  for await (const { part } of requests) if (part.case === "data") size += BigInt(part.value.length);
  return size;
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("a client stream", () => {
  it("is read to its end, and answered once", async () => {
    const client = await clientOf(async (requests, { who }) => ({
      name: who,
      size: await bytesIn(requests),
    }));
    const answer = await client.putArtifact(
      (async function* () {
        for (let n = 0; n < 500; n++) yield piece(10_000);
      })(),
    );
    expect(answer).toMatchObject({ name: "ann", size: 5_000_000n });
    expect(calls).toMatchObject([{ code: "OK", sent: 1 }]);
  });

  it("may be empty", async () => {
    const client = await clientOf(async (requests) => ({ size: await bytesIn(requests) }));
    expect(await client.putArtifact((async function* () {})())).toMatchObject({ size: 0n });
  });

  it("is asked for no faster than it is read", async () => {
    let given = 0;
    let givenBeforeReading = 0;
    const client = await clientOf(async (requests) => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      givenBeforeReading = given;
      return { size: await bytesIn(requests) };
    });
    await client.putArtifact(
      (async function* () {
        for (; given < 200; given++) yield piece(256 * 1024);
      })(),
    );
    expect(givenBeforeReading).toBeLessThan(100);
  });

  it("that is refused in the middle is closed, and the caller gets the reason", async () => {
    let closed = false;
    const client = await clientOf(async (requests) => {
      for await (const _ of requests) throw new RpcError("INVALID_ARGUMENT", "no more of that", { part: 1 });
      return {};
    });
    const error = await failure(
      client.putArtifact(
        (async function* () {
          try {
            for (;;) yield piece(256 * 1024);
          } finally {
            closed = true;
          }
        })(),
      ),
    );
    expect(error).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "no more of that",
      details: { part: 1 },
    });
    await expect.poll(() => closed).toBe(true);
    expect(calls).toMatchObject([{ code: "INVALID_ARGUMENT" }]);
  });

  it("whose source fails fails with that, and is over for the server too", async () => {
    let arrived = (): void => {};
    const first = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const client = await clientOf(async (requests) => {
      for await (const _ of requests) arrived();
      return {};
    });
    const error = await failure(
      client.putArtifact(
        (async function* () {
          yield piece(10);
          await first;
          throw new TypeError("the disk was pulled out");
        })(),
      ),
    );
    expect(error).toEqual(new TypeError("the disk was pulled out"));
    await expect.poll(() => calls.length).toBe(1);
  });

  it("ends where its caller aborts", async () => {
    const client = await clientOf(async (requests) => ({ size: await bytesIn(requests) }));
    const controller = new AbortController();
    const asked = client.putArtifact(
      (async function* () {
        yield piece(10);
        await new Promise(() => undefined);
      })(),
      { signal: controller.signal },
    );
    setTimeout(() => controller.abort(), 50);
    expect(await failure(asked)).toMatchObject({ code: "CANCELLED" });
  });
});
