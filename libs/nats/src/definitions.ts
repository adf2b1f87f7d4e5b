/** The registry of definitions in KV: `def.<hash>` holds a definition, `latest.<name>` the hash that a start without one gets. */
import { isName, nameProblem } from "@holdfast/core";
import {
  DEFINITIONS_BUCKET,
  type DefinitionRegistry,
  PortError,
  type RegisteredDefinition,
} from "@holdfast/engine";
import { WorkflowDefinitionSchema } from "@holdfast/proto";
import { decode, encode } from "@holdfast/proto/codec";
import { type KV, type KvEntry, KvWatchInclude } from "nats";
import type { Connection } from "./connection.js";
import { fromNats } from "./errors.js";

const HASH = /^[A-Za-z0-9_-]{1,128}$/;
const LATEST = "latest.";
/** Definitions fetched at once. */
const FETCHES_MAX = 32;

const definitionKey = (hash: string): string => `def.${hash}`;
const latestKey = (workflow: string): string => LATEST + workflow;

export class NatsDefinitions implements DefinitionRegistry {
  private constructor(
    private readonly connection: Connection,
    private readonly kv: KV,
  ) {}

  static async open(connection: Connection, create: boolean, replicas: number): Promise<NatsDefinitions> {
    const { views } = connection.nc.jetstream();
    const options = create ? { history: 1, replicas } : { bindOnly: true };
    return new NatsDefinitions(
      connection,
      await views.kv(DEFINITIONS_BUCKET, { ...options, allow_direct: false }),
    );
  }

  async put({ hash, definition }: RegisteredDefinition): Promise<void> {
    const { name } = definition;
    const problem = nameProblem("workflow", name);
    if (problem !== undefined || !HASH.test(hash)) {
      throw new PortError("schema", problem ?? `${JSON.stringify(hash.slice(0, 60))} is no definition hash`);
    }
    try {
      // The definition first: whoever sees the new latest hash finds what it names.
      if ((await live(this.kv.get(definitionKey(hash)))) === undefined) {
        await this.kv.put(definitionKey(hash), encode(WorkflowDefinitionSchema, definition));
      }
      const latest = await live(this.kv.get(latestKey(name)));
      if (latest?.string() !== hash) await this.kv.put(latestKey(name), hash);
    } catch (thrown) {
      throw fromNats(thrown, `register workflow ${name}`);
    }
  }

  async latest(workflow: string): Promise<RegisteredDefinition | undefined> {
    if (!isName(workflow)) return undefined;
    try {
      const entry = await live(this.kv.get(latestKey(workflow)));
      return entry === undefined ? undefined : await this.byHash(entry.string());
    } catch (thrown) {
      throw fromNats(thrown, `look up workflow ${workflow}`);
    }
  }

  async list(): Promise<RegisteredDefinition[]> {
    try {
      const names: string[] = [];
      for await (const key of await this.kv.keys(`${LATEST}*`)) names.push(key.slice(LATEST.length));
      names.sort();
      const found: RegisteredDefinition[] = [];
      for (let at = 0; at < names.length; at += FETCHES_MAX) {
        const some = names.slice(at, at + FETCHES_MAX).map((name) => this.latest(name));
        for (const one of await Promise.all(some)) if (one !== undefined) found.push(one);
      }
      return found;
    } catch (thrown) {
      throw fromNats(thrown, "list the workflows");
    }
  }

  async watch(onDefinition: (entry: RegisteredDefinition) => void, signal: AbortSignal): Promise<void> {
    const told = new Map<string, string>();
    const tell = (entry: RegisteredDefinition): void => {
      if (signal.aborted || told.get(entry.definition.name) === entry.hash) return;
      told.set(entry.definition.name, entry.hash);
      onDefinition(entry);
    };
    const refresh = async (): Promise<void> => {
      for (const entry of await this.list()) tell(entry);
    };
    // Watching begins before the first list, so that nothing falls between the two.
    const updates = await this.updates();
    // A watch may miss what was put while the connection was gone.
    const unlisten = this.connection.onReconnect(() => {
      refresh().catch((thrown: unknown) => this.warn(thrown));
    });
    signal.addEventListener("abort", () => {
      unlisten();
      updates.stop();
    });
    if (signal.aborted) updates.stop();
    void this.follow(updates, tell);
    await refresh();
  }

  private async updates(): ReturnType<KV["watch"]> {
    try {
      return await this.kv.watch({ key: `${LATEST}*`, include: KvWatchInclude.UpdatesOnly });
    } catch (thrown) {
      throw fromNats(thrown, "watch the workflows");
    }
  }

  private async follow(
    updates: AsyncIterable<KvEntry>,
    tell: (entry: RegisteredDefinition) => void,
  ): Promise<void> {
    for await (const entry of updates) {
      if (entry.operation !== "PUT") continue;
      try {
        const found = await this.byHash(entry.string());
        if (found !== undefined) tell(found);
      } catch (thrown) {
        this.warn(thrown);
      }
    }
  }

  private async byHash(hash: string): Promise<RegisteredDefinition | undefined> {
    const entry = HASH.test(hash) ? await live(this.kv.get(definitionKey(hash))) : undefined;
    return entry === undefined
      ? undefined
      : { hash, definition: decode(WorkflowDefinitionSchema, entry.value) };
  }

  private warn(thrown: unknown): void {
    this.connection.logger.warn("could not follow the registry of workflows", { err: thrown });
  }
}

async function live(asked: Promise<KvEntry | null>): Promise<KvEntry | undefined> {
  const entry = await asked;
  return entry === null || entry.operation !== "PUT" ? undefined : entry;
}
