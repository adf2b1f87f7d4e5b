/** The typed server and client over a real loopback port: statuses, streams, flow control, an orderly end. */
import { setTimeout as sleep } from "node:timers/promises";
import type { DescService } from "@bufbuild/protobuf";
import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { AdminService, RejectCode } from "@holdfast/proto";
import { Health } from "@holdfast/proto/grpc";
import { afterEach, describe, expect, it } from "vitest";
import {
  type CallRecord,
  createClient,
  ERROR_MESSAGE_MAX,
  RpcError,
  type RpcServer,
  type RpcServerOptions,
  serve,
  type ServiceHandlers,
  startServer,
} from "./index.js";

type Handlers = ServiceHandlers<typeof AdminService>;

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close();
});

/** An admin service of which only the given methods exist. */
function partial(handlers: Partial<Handlers>) {
  const absent = async (): Promise<never> => {
    throw new RpcError("UNIMPLEMENTED", "not in this test");
  };
  const all = Object.fromEntries(AdminService.methods.map(({ localName }) => [localName, absent]));
  return serve(AdminService, { ...all, ...handlers } as Handlers);
}

async function listening(
  handlers: Partial<Handlers>,
  options: Partial<RpcServerOptions> = {},
): Promise<RpcServer> {
  const server = await startServer({ services: [partial(handlers)], ...options });
  opened.push(server);
  return server;
}

function clientOf<S extends DescService>(service: S, server: RpcServer, user?: string) {
  const client = createClient(service, server.address, user === undefined ? {} : { user });
  opened.push(client);
  return client;
}

function deferred() {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve: () => resolve() };
}

/** What a promise rejects with, as an `RpcError`. */
async function failure(promise: Promise<unknown>): Promise<RpcError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof RpcError)) throw new Error(`expected an RpcError, got ${String(error)}`);
  return error;
}

describe("a unary call", () => {
  it("brings the answer, and tells the handler who asks", async () => {
    const seen: string[] = [];
    const server = await listening({
      getRun: async ({ runId }, context) => {
        seen.push(context.who, context.requestId, context.method);
        return { run: { summary: { runId } } };
      },
    });
    const client = clientOf(AdminService, server, "Zoë Ångström");
    const { run } = await client.call.getRun({ runId: "r1" }, { requestId: "req-7" });
    expect(run?.summary?.runId).toBe("r1");
    expect(seen).toEqual(["Zoë Ångström", "req-7", "/holdfast.v1.AdminService/GetRun"]);
  });

  it("fails with the handler's code, message and details", async () => {
    const server = await listening({
      getRun: async () => {
        throw new RpcError("NOT_FOUND", "there is no run r1", {
          reason: "RUN_NOT_FOUND",
          choices: ["a", "b"],
        });
      },
    });
    const error = await failure(clientOf(AdminService, server).call.getRun({ runId: "r1" }));
    expect(error).toMatchObject({
      code: "NOT_FOUND",
      message: "there is no run r1",
      details: { reason: "RUN_NOT_FOUND", choices: ["a", "b"] },
    });
  });

  it("hides what it did not foresee, and shows it to the observer", async () => {
    const calls: CallRecord[] = [];
    const server = await listening(
      {
        getRun: async () => {
          throw new TypeError("password=hunter2");
        },
      },
      { observe: (call) => calls.push(call) },
    );
    const error = await failure(clientOf(AdminService, server, "ann").call.getRun({ runId: "r1" }));
    expect(error.code).toBe("INTERNAL");
    expect(error.message).not.toContain("hunter2");
    expect(calls).toHaveLength(1);
    expect(calls[0]).toMatchObject({ code: "INTERNAL", who: "ann", bug: { message: "password=hunter2" } });
  });

  it("translates the errors of the server's own layers", async () => {
    class Own extends Error {}
    const server = await listening(
      {
        getRun: async () => {
          throw new Own("down");
        },
      },
      {
        translate: (error) =>
          error instanceof Own ? new RpcError("UNAVAILABLE", `own: ${error.message}`) : undefined,
      },
    );
    const error = await failure(clientOf(AdminService, server).call.getRun({ runId: "r1" }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", message: "own: down" });
  });

  it("passes its deadline to the handler and reports it", async () => {
    const aborted = deferred();
    const server = await listening({
      getRun: (_request, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            aborted.resolve();
            reject(new Error("stopped"));
          });
        }),
    });
    const error = await failure(
      clientOf(AdminService, server).call.getRun({ runId: "r1" }, { timeoutMs: 50 }),
    );
    expect(error.code).toBe("DEADLINE_EXCEEDED");
    await aborted.promise;
  });

  it("is refused as INVALID_ARGUMENT when its bytes are no message", async () => {
    const server = await listening({ getRun: async () => ({}) });
    const raw = new Client(server.address, credentials.createInsecure());
    opened.push(raw);
    const error = await new Promise<ServiceError | null>((resolve) => {
      const asIs = (bytes: Buffer): Buffer => bytes;
      const junk = Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff]);
      raw.makeUnaryRequest("/holdfast.v1.AdminService/GetRun", asIs, asIs, junk, new Metadata(), resolve);
    });
    expect(error?.code).toBe(status.INVALID_ARGUMENT);
    expect(error?.details).toContain("holdfast.v1.GetRunRequest");
  });

  it("is refused as RESOURCE_EXHAUSTED beyond the message limit", async () => {
    const server = await listening({ getRun: async () => ({}) }, { limits: { maxMessageBytes: 1_000 } });
    const client = clientOf(AdminService, server);
    await client.call.getRun({ runId: "x".repeat(900) });
    const error = await failure(client.call.getRun({ runId: "x".repeat(1_001) }));
    expect(error.code).toBe("RESOURCE_EXHAUSTED");
  });

  it("cuts a long message on a whole character", async () => {
    const server = await listening({
      getRun: async () => {
        throw new RpcError("NOT_FOUND", "€😀".repeat(2_000));
      },
    });
    const { message } = await failure(clientOf(AdminService, server).call.getRun({ runId: "r" }));
    expect(message.length).toBeLessThanOrEqual(ERROR_MESSAGE_MAX);
    expect(message.isWellFormed()).toBe(true);
    expect(message.startsWith("€😀€")).toBe(true);
  });

  it("says UNAVAILABLE where nobody listens", async () => {
    const server = await listening({});
    await server.close();
    const error = await failure(
      clientOf(AdminService, server).call.getRun({ runId: "r" }, { timeoutMs: 2_000 }),
    );
    expect(error.code).toBe("UNAVAILABLE");
  });
});

describe("a server stream", () => {
  const answer = (n: number, reason = "") => ({
    kind: { case: "result" as const, value: { runId: `r${n}`, reason } },
  });

  it("arrives in order and ends", async () => {
    const server = await listening({
      async *retryFailed() {
        for (let n = 0; n < 100; n++) yield answer(n);
      },
    });
    const ids: string[] = [];
    for await (const { kind } of clientOf(AdminService, server).call.retryFailed({})) {
      if (kind.case === "result") ids.push(kind.value.runId);
    }
    expect(ids).toEqual(Array.from({ length: 100 }, (_, n) => `r${n}`));
  });

  it("brings what came before an error, then the error", async () => {
    const server = await listening({
      async *retryFailed() {
        yield answer(1);
        throw new RpcError("UNAVAILABLE", "partition 3 is silent");
      },
    });
    const got: string[] = [];
    const reading = (async () => {
      for await (const { kind } of clientOf(AdminService, server).call.retryFailed({}))
        got.push(String(kind.case));
    })();
    expect(await failure(reading)).toMatchObject({ code: "UNAVAILABLE", message: "partition 3 is silent" });
    expect(got).toEqual(["result"]);
  });

  it("is not asked for more while the caller does not read, and is closed when the caller leaves", async () => {
    let made = 0;
    const closed = deferred();
    const calls: CallRecord[] = [];
    const server = await listening(
      {
        async *retryFailed() {
          try {
            for (;;) yield answer(made++, "x".repeat(10_000));
          } finally {
            closed.resolve();
          }
        },
      },
      { observe: (call) => calls.push(call) },
    );
    for await (const answered of clientOf(AdminService, server).call.retryFailed({})) {
      expect(answered.kind.case).toBe("result");
      await sleep(300);
      const before = made;
      await sleep(200);
      expect(made).toBe(before);
      expect(made).toBeLessThan(1_000);
      break;
    }
    await closed.promise;
    await expect.poll(() => calls[0]?.code).toBe("CANCELLED");
  });

  it("ends when the caller's signal aborts", async () => {
    const server = await listening({
      async *retryFailed(_request, { signal }) {
        yield answer(0);
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      },
    });
    const controller = new AbortController();
    const reading = (async () => {
      for await (const _ of clientOf(AdminService, server).call.retryFailed(
        {},
        { signal: controller.signal },
      )) {
        controller.abort();
      }
    })();
    expect((await failure(reading)).code).toBe("CANCELLED");
  });
});

describe("closing", () => {
  it("lets a running call finish, tells watchers, and is idempotent", async () => {
    const begun = deferred();
    const server = await listening({
      getRun: async ({ runId }) => {
        begun.resolve();
        await sleep(200);
        return { run: { summary: { runId } } };
      },
    });
    const statuses: number[] = [];
    const watching = (async () => {
      for await (const { status: each } of clientOf(Health, server).call.watch({ service: "" }))
        statuses.push(each);
    })();
    await expect.poll(() => statuses).toEqual([1]);
    const running = clientOf(AdminService, server).call.getRun({ runId: "r1" });
    await begun.promise;
    await Promise.all([server.close(), server.close()]);
    expect((await running).run?.summary?.runId).toBe("r1");
    await watching;
    expect(statuses).toEqual([1, 2]);
  });

  it("ends what outlasts the grace time", async () => {
    const begun = deferred();
    const server = await listening(
      {
        getRun: () => {
          begun.resolve();
          return new Promise(() => {});
        },
      },
      { limits: { closeGraceMs: 100 } },
    );
    const running = failure(clientOf(AdminService, server).call.getRun({ runId: "r1" }));
    await begun.promise;
    await server.close();
    expect(["UNAVAILABLE", "CANCELLED", "INTERNAL", "UNKNOWN"]).toContain((await running).code);
  });
});

describe("starting", () => {
  it("names an address that is taken", async () => {
    const server = await listening({});
    await expect(startServer({ services: [], address: server.address })).rejects.toThrow(server.address);
  });

  it("refuses a service with a method nobody handles", async () => {
    await expect(startServer({ services: [{ service: AdminService, handlers: {} }] })).rejects.toThrow(
      "StartRun",
    );
  });

  it("answers enums and defaults as the contract has them", async () => {
    const server = await listening({
      listRejected: async () => ({ rejected: [{ id: 1n, code: RejectCode.MALFORMED }] }),
    });
    const { rejected } = await clientOf(AdminService, server).call.listRejected({});
    expect(rejected[0]?.code).toBe(RejectCode.MALFORMED);
  });
});
