/**
 * What is fixed when a cluster is created: one record in KV, made by compare-and-set, so that of several nodes that
 * start at once one wins and all read the same.
 */
import { CLUSTER_BUCKET, type ClusterConfig, PortError } from "@holdfast/engine";
import type { KV, NatsConnection } from "nats";
import { fromNats, JS_ERR } from "./errors.js";

export const PARTITIONS_DEFAULT = 16;
export const PARTITIONS_MAX = 256;
const KEY = "config";
const RECORD_VERSION = 1;
const encoder = new TextEncoder();

interface ClusterRecord extends ClusterConfig {
  readonly version: number;
  /** All streams were made. Where it is true and a stream is missing, that stream was lost. */
  readonly ready: boolean;
}

export interface StoredClusterConfig {
  readonly config: ClusterConfig;
  readonly ready: boolean;
  /** Says that all streams were made. */
  markReady(): Promise<void>;
}

/** The cluster's record; undefined where there is no cluster. */
export async function readClusterConfig(nc: NatsConnection): Promise<StoredClusterConfig | undefined> {
  try {
    return await load(await nc.jetstream().views.kv(CLUSTER_BUCKET, { bindOnly: true, allow_direct: false }));
  } catch (thrown) {
    throw fromNats(thrown, "read the cluster's configuration");
  }
}

/** Creates the record unless it is there. `partitions` counts only for a new cluster. */
export async function createClusterConfig(
  nc: NatsConnection,
  partitions: number,
  replicas: number,
): Promise<StoredClusterConfig> {
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX) {
    throw new PortError(
      "config-mismatch",
      `a cluster can't have ${partitions} partitions; use a whole number from 1 to ${PARTITIONS_MAX}`,
    );
  }
  try {
    const kv = await nc.jetstream().views.kv(CLUSTER_BUCKET, { history: 1, replicas, allow_direct: false });
    const record: ClusterRecord = {
      version: RECORD_VERSION,
      id: crypto.randomUUID(),
      partitions,
      createdAtMs: Date.now(),
      ready: false,
    };
    try {
      await kv.create(KEY, encode(record));
    } catch (thrown) {
      if (apiErrorCode(thrown) !== JS_ERR.wrongLastSequence) throw thrown;
    }
    const stored = await load(kv);
    if (stored !== undefined) return stored;
  } catch (thrown) {
    throw fromNats(thrown, "create the cluster's configuration");
  }
  throw new PortError(
    "unavailable",
    "the cluster's configuration was written and can't be read back; try again",
  );
}

async function load(kv: KV): Promise<StoredClusterConfig | undefined> {
  const entry = await kv.get(KEY);
  if (entry === null || entry.operation !== "PUT") return undefined;
  const record = parse(entry.string());
  return {
    config: { id: record.id, partitions: record.partitions, createdAtMs: record.createdAtMs },
    ready: record.ready,
    async markReady() {
      await kv.put(KEY, encode({ ...record, ready: true }));
    },
  };
}

const encode = (record: ClusterRecord): Uint8Array => encoder.encode(JSON.stringify(record));

function parse(text: string): ClusterRecord {
  const record = JSON.parse(text) as Partial<ClusterRecord>;
  const { version, id, partitions, createdAtMs, ready } = record;
  if (
    version !== RECORD_VERSION ||
    typeof id !== "string" ||
    typeof partitions !== "number" ||
    typeof createdAtMs !== "number" ||
    typeof ready !== "boolean"
  ) {
    throw new PortError(
      "schema",
      `the cluster's configuration is of version ${String(version)}, and this Holdfast reads version ${RECORD_VERSION}; ` +
        "use the Holdfast version that the cluster runs",
    );
  }
  return { version, id, partitions, createdAtMs, ready };
}

function apiErrorCode(thrown: unknown): number {
  if (typeof thrown !== "object" || thrown === null || !("api_error" in thrown)) return 0;
  const { api_error: body } = thrown;
  if (typeof body !== "object" || body === null || !("err_code" in body)) return 0;
  return typeof body.err_code === "number" ? body.err_code : 0;
}
