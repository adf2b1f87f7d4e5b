/**
 * Composition: one connection, and every port that NATS implements on it.
 */
import {
  type Bus,
  type ClusterConfig,
  type CommandLog,
  type DefinitionRegistry,
  type PayloadStore,
  PortError,
  type WorkQueue,
} from "@holdfast/engine";
import { createInbox } from "nats";
import { NatsBus } from "./bus.js";
import {
  createClusterConfig,
  PARTITIONS_DEFAULT,
  readClusterConfig,
  type StoredClusterConfig,
} from "./cluster-config.js";
import { ensureStreams, LOG_BYTES_DEFAULT } from "./cluster-streams.js";
import { maxEntryBytes, NatsCommandLog } from "./command-log.js";
import { Connection, type ConnectOptions } from "./connection.js";
import { NatsDefinitions } from "./definitions.js";
import { fromNats, mayPass } from "./errors.js";
import { JetStreamApi } from "./js-api.js";
import { ObjectChunks } from "./object-chunks.js";
import { ObjectUse } from "./object-use.js";
import { NatsPayloads } from "./payloads.js";
import { type NatsAccess, natsAuth } from "./settings.js";
import { StreamPublisher } from "./publisher.js";
import { NatsWorkQueue } from "./work-queue.js";

export interface ConnectNatsOptions extends ConnectOptions {
  /**
   * How many partitions a new cluster gets (default 16). Of a cluster that is there it only says what is expected: another
   * number is a `config-mismatch`.
   */
  readonly partitions?: number;
  /** How many partitions a new cluster gets where `partitions` says nothing (default 16). One that is there keeps its number. */
  readonly newPartitions?: number;
  /** Make the cluster where there is none (default). False, for clients: `not-found` then. */
  readonly create?: boolean;
  /** Who this process is to NATS, and whom it trusts. */
  readonly access?: NatsAccess;
  /** How long to wait for a server, its leader or (with `create: false`) the cluster, before giving up (default 0). */
  readonly waitMs?: number;
  /** Copies of each stream of a new cluster (default 1); 3 on a NATS cluster. */
  readonly replicas?: number;
  /** Size limit of one partition's log in bytes (default 8 GiB); less where the server has less, with a warning. */
  readonly logBytes?: number;
  /** The caller knows that the server runs with `sync_interval: always`, having started it. */
  readonly syncsAlways?: boolean;
}

export interface NatsCluster {
  readonly config: ClusterConfig;
  readonly log: CommandLog;
  readonly bus: Bus;
  readonly definitions: DefinitionRegistry;
  readonly payloads: PayloadStore;
  readonly work: WorkQueue;
  readonly serverVersion: string;
  /** Whether there is a connection just now; where there is none, it is made again by itself. */
  readonly isConnected: boolean;
  /** What an operator should know about this server and its streams. */
  readonly warnings: readonly string[];
  /** Sends what is queued, then closes. Reads end when their signals abort, so abort them first. */
  close(): Promise<void>;
}

/**
 * Connects, makes or reads the cluster, and resolves once everything can be used.
 * `PortError`: `unavailable` (no server, or no leader), `config-mismatch` (too old, no JetStream, other partition count,
 * streams with wrong settings), `not-found` (no cluster and `create: false`), `log-gap` (a stream was lost), `full`.
 */
export async function connectNats(options: ConnectNatsOptions): Promise<NatsCluster> {
  const until = performance.now() + (options.waitMs ?? 0);
  for (let pauseMs = WAIT_MS_FIRST; ; pauseMs = Math.min(pauseMs * 2, WAIT_MS_MAX)) {
    try {
      return await connectOnce(options);
    } catch (thrown) {
      const error = fromNats(thrown, "connect to NATS");
      const passes = mayPass(error) || (error.code === "not-found" && options.create === false);
      if (!passes || performance.now() + pauseMs > until) throw error;
      options.logger.warn("the start waits for NATS", { for: error.message, retryMs: pauseMs });
      const waitMs = pauseMs;
      await new Promise<void>((resolve) => {
        setTimeout(resolve, waitMs);
      });
    }
  }
}

async function connectOnce(options: ConnectNatsOptions): Promise<NatsCluster> {
  const access = options.access === undefined ? {} : natsAuth(options.access);
  const connection = await Connection.open({ ...options, ...access });
  try {
    return await openCluster(connection, options);
  } catch (thrown) {
    await connection.close();
    throw fromNats(thrown, "open the cluster");
  }
}

const WAIT_MS_FIRST = 250;
const WAIT_MS_MAX = 2_000;

const partitionsOfNew = ({ partitions, newPartitions }: ConnectNatsOptions): number =>
  partitions ?? newPartitions ?? PARTITIONS_DEFAULT;

async function openCluster(connection: Connection, options: ConnectNatsOptions): Promise<NatsCluster> {
  const { nc, logger } = connection;
  const api = new JetStreamApi(connection);
  const create = options.create ?? true;
  const replicas = options.replicas ?? 1;
  const stored =
    (await readClusterConfig(nc)) ??
    (create ? await createClusterConfig(nc, partitionsOfNew(options), replicas) : undefined);
  if (stored === undefined) throw noCluster();
  checkPartitions(stored, options.partitions);
  const { config } = stored;
  const warnings = create ? await prepareStreams(api, connection, stored, options) : [];
  for (const warning of warnings) logger.warn(warning, { cluster: config.id });

  const definitions = await NatsDefinitions.open(connection, create, replicas);
  const publisher = new StreamPublisher(connection, createInbox());
  const payloads = new NatsPayloads(
    connection,
    new ObjectChunks(api, publisher),
    new ObjectUse(api, publisher),
  );
  return {
    config,
    log: new NatsCommandLog(config.partitions, connection, api, publisher),
    bus: new NatsBus(connection),
    definitions,
    payloads,
    work: new NatsWorkQueue({ connection, api, publisher, payloads }),
    serverVersion: connection.serverVersion,
    get isConnected() {
      return connection.isUp;
    },
    warnings,
    async close() {
      publisher.close();
      await connection.close();
    },
  };
}

async function prepareStreams(
  api: JetStreamApi,
  connection: Connection,
  stored: StoredClusterConfig,
  options: ConnectNatsOptions,
): Promise<string[]> {
  const { replicas } = options;
  const { warnings, copies } = await ensureStreams(
    api,
    {
      partitions: stored.config.partitions,
      replicas,
      logBytes: options.logBytes ?? LOG_BYTES_DEFAULT,
      maxEntryBytes: maxEntryBytes(connection.maxPayloadBytes),
      maxPayloadBytes: connection.maxPayloadBytes,
    },
    stored.ready,
  );
  if (!stored.ready) await stored.markReady();
  if (copies === 1 && options.syncsAlways !== true) {
    warnings.push(
      "whether the NATS server syncs every write can't be seen from a client; with one copy of each stream, work that was " +
        "acknowledged survives a power loss only with `sync_interval: always` in its `jetstream` block",
    );
  }
  return warnings;
}

function checkPartitions({ config }: StoredClusterConfig, asked: number | undefined): void {
  if (asked === undefined || asked === config.partitions) return;
  throw new PortError(
    "config-mismatch",
    `the cluster has ${config.partitions} partitions and ${asked} were asked for; the number is fixed when a cluster is ` +
      "created: leave it out, or start a new cluster",
    { partitions: config.partitions, asked },
  );
}

function noCluster(): PortError {
  return new PortError(
    "not-found",
    "there is no Holdfast cluster on this NATS server yet; start a workflow node first",
  );
}
