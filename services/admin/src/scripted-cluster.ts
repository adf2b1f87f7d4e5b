/**
 * For this folder's tests: a cluster whose partitions say what the test tells them to, behind the real command and query
 * clients, and the admin service in front of it on a real gRPC port. Nothing outside of tests imports it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Bus,
  type BusMessage,
  type BusSubscription,
  CommandClient,
  type CommandLog,
  type DefinitionRegistry,
  logSubject,
  PayloadCodec,
  type PayloadStore,
  PortError,
  QueryClient,
  querySubject,
  type RegisteredDefinition,
  type RejectedWorkEntry,
  systemClock,
  type WorkQueue,
} from "@holdfast/engine";
import {
  AdminService,
  type Command,
  CommandBatchSchema,
  OutcomeBatchSchema,
  type OutcomeSchema,
  PayloadRefSchema,
  type QueryRequest,
  QueryRequestSchema,
  QueryResponseSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { decode, encode } from "@holdfast/proto/codec";
import { type CallRecord, createClient, type RpcClient, startServer } from "@holdfast/rpc";
import { AjvValidator } from "./ajv-validator.js";
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

type Handler = (message: BusMessage) => void;

class Loopback implements Bus, CommandLog {
  readonly maxMessageBytes = 1024 * 1024;
  readonly maxEntryBytes = 1024 * 1024;
  readonly partitions = PARTITIONS;
  readonly appended: Command[] = [];
  readonly #handlers = new Map<string, Set<Handler>>();
  #inboxes = 0;
  #seq = 0;

  constructor(readonly script: Script) {}

  inbox(): string {
    return `inbox.${++this.#inboxes}`;
  }

  publish(subject: string, data: Uint8Array): void {
    for (const handler of this.#handlers.get(subject) ?? []) handler({ subject, data, respond: () => {} });
  }

  subscribe(subject: string, handler: Handler): BusSubscription {
    const handlers = this.#handlers.get(subject) ?? new Set();
    this.#handlers.set(subject, handlers.add(handler));
    return { unsubscribe: () => void handlers.delete(handler) };
  }

  async request(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      if (subject !== querySubject(partition)) continue;
      const result = this.script.query(decode(QueryRequestSchema, data).kind, partition);
      if (result !== "silent") return encode(QueryResponseSchema, create(QueryResponseSchema, { result }));
    }
    await sleep(Math.min(timeoutMs, 20));
    throw new PortError("timeout", `no answer on ${subject}`);
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  onReconnect(): BusSubscription {
    return { unsubscribe: () => {} };
  }

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
    setImmediate(() => this.publish(batch.replyInbox, answer));
    return Promise.resolve(seq);
  }

  info(partition: number): Promise<never> {
    return Promise.reject(new PortError("unavailable", `${logSubject(partition)} is only appended to here`));
  }

  entry(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async *read(): AsyncIterable<never> {}
}

class Definitions implements DefinitionRegistry {
  readonly all = new Map<string, RegisteredDefinition>();

  put(entry: RegisteredDefinition): Promise<void> {
    this.all.set(entry.definition.name, entry);
    return Promise.resolve();
  }

  latest(workflow: string): Promise<RegisteredDefinition | undefined> {
    return Promise.resolve(this.all.get(workflow));
  }

  list(): Promise<RegisteredDefinition[]> {
    return Promise.resolve([...this.all.values()]);
  }

  watch(): Promise<void> {
    return Promise.resolve();
  }
}

class Payloads implements PayloadStore {
  readonly maxBytes = 1024 * 1024;
  readonly bodies = new Map<string, Uint8Array>();

  put(body: Uint8Array) {
    const name = `p${this.bodies.size}`;
    this.bodies.set(name, body);
    return Promise.resolve(create(PayloadRefSchema, { name, size: BigInt(body.length) }));
  }

  get({ name }: { readonly name: string }): Promise<Uint8Array> {
    const body = this.bodies.get(name);
    if (body === undefined) return Promise.reject(new PortError("not-found", `there is no payload ${name}`));
    return Promise.resolve(body);
  }
}

class Work implements WorkQueue {
  readonly rejected = new Map<number, RejectedWorkEntry>();

  async *read(): AsyncIterable<never> {}

  reject(): Promise<void> {
    return Promise.resolve();
  }

  listRejected({ workflow, afterId, limit }: { workflow?: string; afterId: number; limit: number }) {
    const all = [...this.rejected.values()].filter(
      ({ id, subject }) =>
        id > afterId && (workflow === undefined || subject === `holdfast.work.${workflow}`),
    );
    return Promise.resolve({ entries: all.slice(0, limit), more: all.length > limit });
  }

  countRejected(): Promise<number> {
    return Promise.resolve(this.rejected.size);
  }

  replayRejected(id: number): Promise<boolean> {
    return Promise.resolve(this.rejected.delete(id));
  }
}

export interface ScriptedCluster {
  readonly script: Script;
  readonly admin: RpcClient<typeof AdminService>["call"];
  readonly bus: Bus;
  /** Every command that reached a log, in order. */
  readonly appended: readonly Command[];
  readonly definitions: Definitions;
  readonly work: Work;
  readonly payloads: Payloads;
  readonly calls: CallRecord[];
  close(): Promise<void>;
}

/** Its partitions accept every command, and know no run, until told otherwise. */
export async function scriptedCluster(script: Partial<Script> = {}): Promise<ScriptedCluster> {
  const loopback = new Loopback({
    command: () => ({ case: "accepted", value: {} }),
    query: () => ({ case: "error", value: { code: 1, message: "there is no such run" } }),
    ...script,
  });
  const commands = new CommandClient({ log: loopback, bus: loopback, producer: "admin-test" });
  const queries = new QueryClient({
    bus: loopback,
    partitions: PARTITIONS,
    limits: { timeoutMs: 100, tryMs: 50 },
  });
  const [definitions, work, payloads, calls] = [
    new Definitions(),
    new Work(),
    new Payloads(),
    [] as CallRecord[],
  ];
  const admin = createAdminService({
    commands,
    queries,
    definitions,
    work,
    payloads: new PayloadCodec(payloads, 1_024),
    validator: new AjvValidator(),
    clusterInfo: { version: "0.1.0", natsServerVersion: "2.15.1", warnings: ["one copy only"] },
    bus: loopback,
    clock: systemClock,
  });
  const server = await startServer({
    services: [admin.service],
    translate,
    observe: (call) => calls.push(call),
  });
  const client = createClient(AdminService, server.address, { user: "ann" });
  return {
    script: loopback.script,
    admin: client.call,
    bus: loopback,
    appended: loopback.appended,
    definitions,
    work,
    payloads,
    calls,
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
