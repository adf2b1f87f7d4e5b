/** The registry of definitions in KV: `def.<hash>` holds a definition, `latest.<name>` the hash that a start without one gets. */
import { setTimeout } from "node:timers/promises";
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
/** Between attempts to watch anew. */
const WATCH_AGAIN_MS = 1_000;

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
    const first = await this.updates(signal);
    // A watch may miss what was put while the connection was gone.
    const unlisten = this.connection.onReconnect(() => {
      refresh().catch((thrown: unknown) => this.warn(thrown));
    });
    signal.addEventListener("abort", unlisten);
    void this.follow(first, tell, refresh, signal);
    await refresh();
  }

  private async updates(signal: AbortSignal): Promise<AsyncIterable<KvEntry>> {
    try {
      const updates = await this.kv.watch({ key: `${LATEST}*`, include: KvWatchInclude.UpdatesOnly });
      signal.addEventListener("abort", () => updates.stop());
      if (signal.aborted) updates.stop();
      return updates;
    } catch (thrown) {
      throw fromNats(thrown, "watch the workflows");
    }
  }

  /** Until the signal aborts; never rejects. A watch ends by itself where its consumer can't be made anew: the bucket is away, or an answer is none. */
  private async follow(
    first: AsyncIterable<KvEntry>,
    tell: (entry: RegisteredDefinition) => void,
    refresh: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    let updates: AsyncIterable<KvEntry> | undefined = first;
    while (!signal.aborted) {
      try {
        if (updates === undefined) {
          updates = await this.updates(signal);
          await refresh();
        }
        for await (const entry of updates) if (entry.operation === "PUT") await this.tellOf(entry, tell);
      } catch (thrown) {
        if (!signal.aborted) this.warn(thrown);
      }
      updates = undefined;
      if (!signal.aborted) await setTimeout(WATCH_AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private async tellOf(entry: KvEntry, tell: (entry: RegisteredDefinition) => void): Promise<void> {
    try {
      const found = await this.byHash(entry.string());
      if (found !== undefined) tell(found);
    } catch (thrown) {
      this.warn(thrown);
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
