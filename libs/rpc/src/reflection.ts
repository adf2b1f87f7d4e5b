/**
 * gRPC's standard server reflection: what services there are, and the descriptors they are made of.
 *
 * Of its own rather than the `@grpc/reflection` package, which takes proto-loader's package definitions, encodes every
 * descriptor anew through another protobuf library, and reads its own proto files from disk. Here the descriptors leave
 * as the generator wrote them.
 */
import {
  type DescFile,
  type DescMessage,
  type DescService,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type {
  ServerReflection,
  ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from "@holdfast/proto/grpc";
import { status } from "@grpc/grpc-js";
import type { ServiceHandlers } from "./method-types.js";

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

export class Reflection {
  readonly handlers: ServiceHandlers<typeof ServerReflection>;
  readonly #services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();

  constructor(services: readonly DescService[]) {
    this.#services = services.map(({ typeName }) => typeName).toSorted();
    for (const { file } of services) this.#addFile(file);
    const answer = (request: ServerReflectionRequest) => ({
      validHost: request.host,
      originalRequest: request,
      messageResponse: this.#answer(request),
    });
    this.handlers = {
      async *serverReflectionInfo(requests) {
        for await (const request of requests) yield answer(request);
      },
    };
  }

  #answer({ messageRequest: ask }: ServerReflectionRequest): Answer {
    switch (ask.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: this.#services.map((name) => ({ name })) } };
      case "fileByFilename":
        return closure(this.#files.get(ask.value)) ?? notFound(`file ${ask.value}`);
      case "fileContainingSymbol":
        return closure(this.#symbols.get(ask.value)) ?? notFound(`symbol ${ask.value}`);
      case "fileContainingExtension":
        return notFound(
          `extension ${ask.value.extensionNumber} of ${ask.value.containingType}: no file here declares extensions`,
        );
      case "allExtensionNumbersOfType":
        return this.#symbols.has(ask.value)
          ? { case: "allExtensionNumbersResponse", value: { baseTypeName: ask.value, extensionNumber: [] } }
          : notFound(`type ${ask.value}`);
      case undefined:
      default:
        return failure(
          status.INVALID_ARGUMENT,
          "The reflection request asks for nothing that this server knows.",
        );
    }
  }

  #addFile(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const message of file.messages) this.#addMessage(message);
    for (const { typeName } of file.enums) this.#symbols.set(typeName, file);
    for (const service of file.services) {
      this.#symbols.set(service.typeName, file);
      for (const { name } of service.methods) this.#symbols.set(`${service.typeName}.${name}`, file);
    }
    for (const dependency of file.dependencies) this.#addFile(dependency);
  }

  #addMessage(message: DescMessage): void {
    this.#symbols.set(message.typeName, message.file);
    for (const { name } of message.fields) this.#symbols.set(`${message.typeName}.${name}`, message.file);
    for (const { typeName } of message.nestedEnums) this.#symbols.set(typeName, message.file);
    for (const nested of message.nestedMessages) this.#addMessage(nested);
  }
}

/** The file first, and all that it imports, each before what it imports itself. */
function closure(file: DescFile | undefined): Answer | undefined {
  if (file === undefined) return undefined;
  const importedFirst = new Set<DescFile>();
  const visit = (each: DescFile): void => {
    if (importedFirst.has(each)) return;
    for (const dependency of each.dependencies) visit(dependency);
    importedFirst.add(each);
  };
  visit(file);
  const fileDescriptorProto = [...importedFirst]
    .toReversed()
    .map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

const notFound = (what: string): Answer => failure(status.NOT_FOUND, `There is no ${what}.`);

const failure = (errorCode: number, errorMessage: string): Answer => ({
  case: "errorResponse",
  value: { errorCode, errorMessage },
});
