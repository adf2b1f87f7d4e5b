/** What the admin service is made of: given by whoever composes the process, real in production and in memory in tests. */
import type {
  Bus,
  Clock,
  CommandClient,
  DefinitionRegistry,
  PayloadCodec,
  PayloadStore,
  PendingRuns,
  QueryClient,
  QueryOptions,
  RegisteredDefinition,
  WorkQueue,
} from "@holdfast/engine";
import type { CallContext } from "@holdfast/rpc";

/** Checks a run's input against what its workflow declares. */
export interface InputValidator {
  /** What is wrong, each with its place in the input; empty: it is right. Never throws or rejects, whatever it is given. */
  problems(definition: RegisteredDefinition, input: unknown): readonly string[] | Promise<readonly string[]>;
}

/** What the process knows of the cluster without asking a partition. */
export interface ClusterInfo {
  readonly version: string;
  readonly natsServerVersion: string;
  readonly warnings: readonly string[];
}

export interface AdminParts {
  readonly commands: CommandClient;
  readonly queries: QueryClient;
  readonly definitions: DefinitionRegistry;
  readonly work: WorkQueue;
  /** Runs that are accepted and not begun. */
  readonly pending: PendingRuns;
  readonly payloads: PayloadCodec;
  /** Where artifacts are kept. */
  readonly store: PayloadStore;
  readonly validator: InputValidator;
  readonly clusterInfo: ClusterInfo;
  /** Workers' beats are heard here. */
  readonly bus: Bus;
  readonly clock: Clock;
}

/** Left for the answer to travel back in. */
const ANSWER_MS = 100;
const QUERY_MS_MAX = 5_000;

/** Partitions are asked no longer than the caller waits. */
export function withinDeadline(context: CallContext, clock: Clock, maxMs = QUERY_MS_MAX): QueryOptions {
  const leftMs = (context.deadlineAtMs ?? Number.POSITIVE_INFINITY) - clock.nowMs() - ANSWER_MS;
  return { timeoutMs: Math.max(1, Math.min(maxMs, leftMs)) };
}
