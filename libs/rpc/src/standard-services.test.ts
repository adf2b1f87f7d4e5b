/** Health and reflection as standard tools ask for them, over a real loopback port. */
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { create } from "@bufbuild/protobuf";
import { AdminService } from "@holdfast/proto";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from "@holdfast/proto/grpc";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient, RpcError, type RpcServer, serve, type ServiceHandlers, startServer } from "./index.js";
import { encodeMessage } from "./wire.js";

type Ask = ServerReflectionRequest["messageRequest"];

let server: RpcServer;
beforeAll(async () => {
  const none = async (): Promise<never> => {
    throw new RpcError("UNIMPLEMENTED", "not in this test");
  };
  const handlers = Object.fromEntries(AdminService.methods.map(({ localName }) => [localName, none]));
  server = await startServer({
    services: [serve(AdminService, handlers as unknown as ServiceHandlers<typeof AdminService>)],
  });
});
afterAll(() => server.close());

async function reflect(...asks: Ask[]): Promise<ServerReflectionResponse["messageResponse"][]> {
  const client = createClient(ServerReflection, server.address);
  async function* requests() {
    for (const messageRequest of asks) yield { host: "h", messageRequest };
  }
  try {
    const answers: ServerReflectionResponse["messageResponse"][] = [];
    for await (const answer of client.call.serverReflectionInfo(requests()))
      answers.push(answer.messageResponse);
    return answers;
  } finally {
    client.close();
  }
}

const filesOf = (answer: ServerReflectionResponse["messageResponse"] | undefined) => {
  if (answer?.case !== "fileDescriptorResponse") throw new Error(`no files but ${answer?.case}`);
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
};

describe("reflection", () => {
  it("lists the services", async () => {
    const [answer] = await reflect({ case: "listServices", value: "*" });
    expect(answer?.case === "listServicesResponse" && answer.value.service.map(({ name }) => name)).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "holdfast.v1.AdminService",
    ]);
  });

  it("gives a service's file with all that it imports: enough to build the service from", async () => {
    const [answer] = await reflect({ case: "fileContainingSymbol", value: "holdfast.v1.AdminService" });
    const file = filesOf(answer);
    expect(file[0]?.name).toBe("holdfast/v1/admin.proto");
    expect(file.map(({ name }) => name)).toContain("google/protobuf/timestamp.proto");
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: file.toReversed() }));
    const built = registry.getService("holdfast.v1.AdminService");
    expect(built?.methods.map(({ name }) => name)).toEqual(AdminService.methods.map(({ name }) => name));
    const input = built?.method["startRun"]?.input.fields.map(({ name }) => name);
    expect(input).toEqual(AdminService.method.startRun.input.fields.map(({ name }) => name));
  });

  it.each([
    "holdfast.v1.AdminService.GetRun",
    "holdfast.v1.RetryOutcome",
    "holdfast.v1.RetryOutcome.matched",
    "holdfast.v1.RunStatus",
    "google.protobuf.Timestamp",
    "grpc.health.v1.HealthCheckResponse.ServingStatus",
  ])("finds the file of %s", async (value) => {
    const [answer] = await reflect({ case: "fileContainingSymbol", value });
    expect(filesOf(answer).length).toBeGreaterThan(0);
  });

  it("answers several questions on one stream, unknown things with NOT_FOUND in their turn", async () => {
    const answers = await reflect(
      { case: "fileByFilename", value: "holdfast/v1/view.proto" },
      { case: "fileByFilename", value: "no/such.proto" },
      { case: "fileContainingSymbol", value: "no.Such" },
      {
        case: "fileContainingExtension",
        value: {
          $typeName: "grpc.reflection.v1.ExtensionRequest",
          containingType: "holdfast.v1.RunView",
          extensionNumber: 7,
        },
      },
      { case: "allExtensionNumbersOfType", value: "holdfast.v1.RunView" },
      { case: undefined },
    );
    expect(
      answers.map((answer) => (answer.case === "errorResponse" ? answer.value.errorCode : answer.case)),
    ).toEqual(["fileDescriptorResponse", 5, 5, 5, "allExtensionNumbersResponse", 3]);
  });

  it("answers under the older name too", async () => {
    const client = new Client(server.address, credentials.createInsecure());
    const { input, output } = ServerReflection.method.serverReflectionInfo;
    const call = client.makeBidiStreamRequest(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      (ask: Ask) => encodeMessage(input, { messageRequest: ask }),
      (bytes: Buffer) => fromBinary(output, bytes),
    );
    call.end({ case: "listServices", value: "" });
    const answers: unknown[] = [];
    for await (const answer of call) answers.push(answer);
    client.close();
    expect(answers).toMatchObject([{ messageResponse: { case: "listServicesResponse" } }]);
  });
});

describe("health", () => {
  it("is SERVING for the whole and for each service, NOT_FOUND for others", async () => {
    const client = createClient(Health, server.address);
    try {
      expect((await client.call.check({})).status).toBe(Status.SERVING);
      expect((await client.call.check({ service: "holdfast.v1.AdminService" })).status).toBe(Status.SERVING);
      await expect(client.call.check({ service: "no.Such" })).rejects.toMatchObject({ code: "NOT_FOUND" });
      expect(Object.keys((await client.call.list({})).statuses)).toEqual(["", "holdfast.v1.AdminService"]);
    } finally {
      client.close();
    }
  });

  it("tells a watcher each change, and SERVICE_UNKNOWN without ending", async () => {
    const client = createClient(Health, server.address);
    const seen: Status[] = [];
    try {
      const controller = new AbortController();
      const watching = (async () => {
        for await (const { status } of client.call.watch({ service: "" }, { signal: controller.signal }))
          seen.push(status);
      })();
      await expect.poll(() => seen).toEqual([Status.SERVING]);
      server.health.setAll("NOT_SERVING");
      await expect.poll(() => seen).toEqual([Status.SERVING, Status.NOT_SERVING]);
      server.health.setAll("SERVING");
      await expect.poll(() => seen.length).toBe(3);
      controller.abort();
      await expect(watching).rejects.toMatchObject({ code: "CANCELLED" });
      for await (const { status } of client.call.watch({ service: "no.Such" })) {
        expect(status).toBe(Status.SERVICE_UNKNOWN);
        break;
      }
    } finally {
      client.close();
    }
  });
});
