/**
 * For this folder's tests: a cluster whose partitions say what the test tells them to, behind the real command and query
 * clients, and the admin service in front of it on a real gRPC port. Nothing outside of tests imports it.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Bus,
  CommandClient,
  type CommandLog,
  type DefinitionRegistry,
  PayloadCodec,
  PendingRuns,
  type PayloadStore,
  PortError,
  QueryClient,
  querySubject,
  type RegisteredDefinition,
  systemClock,
} from "@holdfast/engine";
import {
  MemoryDefinitions,
  MemoryNetwork,
  MemoryPayloads,
  MemoryWorkQueue,
  type PublishedWork,
} from "@holdfast/engine/memory";
import {
  AdminService,
  type Command,
  CommandBatchSchema,
  OutcomeBatchSchema,
  type OutcomeSchema,
  type QueryRequest,
  QueryRequestSchema,
  QueryResponseSchema,
  type RejectCode,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { decode, encode } from "@holdfast/proto/codec";
import { type CallRecord, createClient, type RpcClient, startServer } from "@holdfast/rpc";
import { SchemaValidator } from "@holdfast/schema";
import { silentLogger } from "@holdfast/telemetry";
import { createAdminService } from "./create-admin-service.js";
import { translate } from "./errors.js";

export const PARTITIONS = 4;

export type OutcomeResult = MessageInitShape<typeof OutcomeSchema>["result"];
export type QueryResult = NonNullable<MessageInitShape<typeof QueryResponseSchema>["result"]>;

/** What the partitions do. A command answered with undefined, or a query with "silent", gets no answer. */
export interface Script {
  command: (command: Command, partition: number) => OutcomeResult | undefined;
  query: (kind: QueryRequest["kind"], partition: number) => QueryResult | "silent";
}

/** A log whose entries the script answers at once, over the bus, as an owner would. */
class ScriptedLog implements CommandLog {
  readonly maxEntryBytes = 1024 * 1024;
  readonly partitions = PARTITIONS;
  readonly appended: Command[] = [];
  #seq = 0;

  constructor(
    private readonly script: Script,
    private readonly bus: Bus,
  ) {}

  append(partition: number, data: Uint8Array): Promise<number> {
    const batch = decode(CommandBatchSchema, data);
    const seq = ++this.#seq;
    this.appended.push(...batch.commands);
    const outcomes = batch.commands.flatMap((command) => {
      const result = this.script.command(command, partition);
      return result === undefined || command.correlation === 0n
        ? []
        : [{ correlation: command.correlation, seq: BigInt(seq), result }];
    });
    const answer = encode(OutcomeBatchSchema, create(OutcomeBatchSchema, { partition, outcomes }));
    if (batch.replyInbox !== "") setImmediate(() => this.bus.publish(batch.replyInbox, answer));
    return Promise.resolve(seq);
  }

  info(partition: number): Promise<never> {
    return Promise.reject(
      new PortError("unavailable", `the log of partition ${partition} is only appended to`),
    );
  }

  entry(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async *read(): AsyncIterable<never> {}
}

function answerQueries(script: Script, bus: Bus): void {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    bus.subscribe(querySubject(partition), (message) => {
      const result = script.query(decode(QueryRequestSchema, message.data).kind, partition);
      if (result === "silent") return;
      message.respond(encode(QueryResponseSchema, create(QueryResponseSchema, { result })));
    });
  }
}

/** Publishes something and has it rejected, as intake does; it gets the next id, from 1. */
async function rejectWork(work: MemoryWorkQueue, message: PublishedWork, code: RejectCode): Promise<void> {
  await work.publish(message);
  const controller = new AbortController();
  for await (const batch of work.read(controller.signal)) {
    for (const each of batch) await work.reject(each, code, "not as it should be");
    controller.abort();
  }
}

export interface ScriptedCluster {
  readonly script: Script;
  readonly admin: RpcClient<typeof AdminService>["call"];
  readonly bus: Bus;
  /** Every command that reached a log, in order. */
  readonly appended: readonly Command[];
  readonly definitions: DefinitionRegistry;
  readonly work: MemoryWorkQueue;
  readonly payloads: PayloadStore;
  rejectWork(message: PublishedWork, code: RejectCode): Promise<void>;
  readonly calls: CallRecord[];
  close(): Promise<void>;
}

/** Its partitions accept every command, and know no run, until told otherwise. */
export async function scriptedCluster(script: Partial<Script> = {}): Promise<ScriptedCluster> {
  const whole: Script = {
    command: () => ({ case: "accepted", value: {} }),
    query: () => ({ case: "error", value: { code: 1, message: "there is no such run" } }),
    ...script,
  };
  const bus = new MemoryNetwork().bus();
  const log = new ScriptedLog(whole, bus);
  answerQueries(whole, bus);
  const commands = new CommandClient({ log, bus, producer: "admin-test" });
  const queries = new QueryClient({ bus, partitions: PARTITIONS, limits: { timeoutMs: 100, tryMs: 50 } });
  const definitions = new MemoryDefinitions();
  const work = new MemoryWorkQueue();
  const payloads = new MemoryPayloads();
  const calls: CallRecord[] = [];
  const admin = createAdminService(
    {
      commands,
      queries,
      definitions,
      work,
      pending: new PendingRuns(work, systemClock),
      payloads: new PayloadCodec(payloads, 1_024),
      store: payloads,
      validator: new SchemaValidator(),
      clusterInfo: { version: "0.1.0", natsServerVersion: "2.15.1", warnings: ["one copy only"] },
      bus,
      clock: systemClock,
    },
    silentLogger,
  );
  const server = await startServer({
    services: [admin.service],
    translate,
    observe: (call) => calls.push(call),
  });
  const client = createClient(AdminService, server.address, { user: "ann" });
  return {
    script: whole,
    admin: client.call,
    bus,
    appended: log.appended,
    definitions,
    work,
    payloads,
    calls,
    rejectWork: (message, code) => rejectWork(work, message, code),
    async close() {
      client.close();
      await server.close();
      admin.close();
      await commands.close(0);
    },
  };
}

export function definitionOf(name: string, inputSchema?: object): RegisteredDefinition {
  const definition = create(WorkflowDefinitionSchema, {
    name,
    queue: "q1",
    actions: [{ name: "load" }, { name: "send", queue: "q2", after: ["load"] }],
    inputSchema: inputSchema === undefined ? "" : JSON.stringify(inputSchema),
  });
  return { hash: `hash-of-${name}`, definition };
}
