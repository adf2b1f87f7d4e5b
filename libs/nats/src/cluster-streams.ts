/**
 * The streams of a cluster: made as the design demands, and compared with what the server says it made.
 *
 * 1. A stream that is there is never changed here, and never made again once the cluster was ready.
 * 2. Nothing in a log is ever removed but from its front: no age, no count limit, no message deletion, no rollup.
 */
import {
  LOG_STREAM_PREFIX,
  logStream,
  logSubject,
  PAYLOADS_BUCKET,
  PortError,
  REJECTED_PREFIX,
  REJECTED_STREAM,
  WORK_PREFIX,
  WORK_STREAM,
} from "@holdfast/engine";
import { JS_ERR, JsApiError, lacksStorage } from "./errors.js";
import type { JetStreamApi, StreamConfig, StreamInfo } from "./js-api.js";

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
export const LOG_BYTES_DEFAULT = 8 * GIB;
/** Below this a log fills too fast to be of use. */
export const LOG_BYTES_MIN = 64 * MIB;
/** The shortest that servers take; dedupe belongs to the fold. */
const DUPLICATE_WINDOW_MIN_NS = 100e6;
/** Rejecting the same message again within this keeps one copy. */
const REJECT_DUPLICATE_WINDOW_NS = 3_600e9;

/** Differences that would break what the rest relies on. */
const FATAL: ReadonlySet<string> = new Set([
  "subjects",
  "retention",
  "storage",
  "discard",
  "max_age",
  "max_msgs",
  "max_msgs_per_subject",
  "allow_rollup_hdrs",
]);

export interface StreamOptions {
  readonly partitions: number;
  /** Undefined: one of what is new, and as they are of what is there. */
  readonly replicas: number | undefined;
  /** Largest size of one partition's log in bytes. */
  readonly logBytes: number;
  readonly maxEntryBytes: number;
  readonly maxPayloadBytes: number;
}

const base = {
  storage: "file",
  discard: "new",
  max_msgs: -1,
  max_msgs_per_subject: -1,
  max_age: 0,
  duplicate_window: DUPLICATE_WINDOW_MIN_NS,
  deny_purge: false,
  allow_rollup_hdrs: false,
  allow_direct: false,
} as const;

/** Room for the subject and our own headers, which count into a stored message. */
const STORED_HEADROOM_BYTES = 1_024;

function wanted(options: StreamOptions, logBytes: number): StreamConfig[] {
  const { partitions, replicas = 1, maxEntryBytes, maxPayloadBytes } = options;
  const logs = Array.from({ length: partitions }, (_, partition): StreamConfig => {
    return {
      ...base,
      name: logStream(partition),
      subjects: [logSubject(partition)],
      retention: "limits",
      max_bytes: logBytes,
      max_msg_size: maxEntryBytes + STORED_HEADROOM_BYTES,
      num_replicas: replicas,
      deny_delete: true,
    };
  });
  const work: StreamConfig = {
    ...base,
    name: WORK_STREAM,
    subjects: [`${WORK_PREFIX}>`],
    retention: "workqueue",
    max_bytes: logBytes,
    max_msg_size: maxPayloadBytes,
    num_replicas: replicas,
    deny_delete: false,
  };
  const rejected: StreamConfig = {
    ...work,
    name: REJECTED_STREAM,
    subjects: [`${REJECTED_PREFIX}>`],
    retention: "limits",
    duplicate_window: REJECT_DUPLICATE_WINDOW_NS,
  };
  const payloads: StreamConfig = {
    ...base,
    // As the client's object store makes it; its own way of asking for replicas is refused by newer servers.
    name: `OBJ_${PAYLOADS_BUCKET}`,
    subjects: [`$O.${PAYLOADS_BUCKET}.C.>`, `$O.${PAYLOADS_BUCKET}.M.>`],
    retention: "limits",
    max_bytes: -1,
    max_msg_size: -1,
    num_replicas: replicas,
    deny_delete: false,
    allow_rollup_hdrs: true,
  };
  return [...logs, work, rejected, payloads];
}

/**
 * Makes what is missing and resolves with warnings for people. `ready`: the cluster had all its streams before, so a
 * missing one was lost: a warning where others' logs are there, a `log-gap` where it is one that all stand on. Rejects with `config-mismatch` where a stream is not what it must be.
 */
export async function ensureStreams(
  api: JetStreamApi,
  options: StreamOptions,
  ready: boolean,
): Promise<{ warnings: string[]; copies: number }> {
  const found = await Promise.all(
    wanted(options, options.logBytes).map(async (want) => ({ want, info: await api.findStream(want.name) })),
  );
  let missing = found.filter(({ info }) => info === undefined);
  const lostLogs: string[] = [];
  if (ready && missing.length > 0) {
    const names = missing.map(({ want }) => want.name);
    const logs = names.filter((name) => name.startsWith(LOG_STREAM_PREFIX));
    // One partition's log: that partition says so when it is opened, and the others work.
    if (logs.length < names.length || logs.length === options.partitions) throw lost(names);
    lostLogs.push(lost(names).message);
    missing = [];
  }
  const warnings = lostLogs.concat(
    found.flatMap(({ want, info }) => (info === undefined ? [] : differences(asFound(want, info), info))),
  );
  const copiesFound = found.flatMap(({ info }) => info?.config.num_replicas ?? []);
  warnings.push(...copiesDiffer(options.replicas, found));
  const copies = Math.min(options.replicas ?? 1, ...copiesFound);
  if (missing.length === 0) return { warnings, copies: Math.min(...copiesFound) };
  const names = new Set(missing.map(({ want }) => want.name));
  const made = await createAll(api, options, names);
  if (made.logBytes < options.logBytes) {
    warnings.push(
      `the NATS server has no room to promise ${mib(options.logBytes)} to each of ${options.partitions} logs; each got ` +
        `${mib(made.logBytes)} instead. Give JetStream more storage (max_file_store), or use fewer partitions`,
    );
  }
  return { warnings: [...warnings, ...made.warnings], copies };
}

/** What is not held against a stream that is there: its size is a person's choice, its copies are told of all at once. */
const asFound = (want: StreamConfig, { config }: StreamInfo): StreamConfig => ({
  ...want,
  max_bytes: config.max_bytes ?? want.max_bytes,
  num_replicas: config.num_replicas ?? want.num_replicas,
});

function copiesDiffer(
  asked: number | undefined,
  found: readonly { readonly want: StreamConfig; readonly info: StreamInfo | undefined }[],
): string[] {
  const others = found.filter(({ info }) => info !== undefined && info.config.num_replicas !== asked);
  const first = others[0];
  if (asked === undefined || first === undefined) return [];
  const { name } = first.want;
  return [
    `${others.length} streams have another number of copies than HOLDFAST_REPLICAS says (${name} has ${first.info?.config.num_replicas}, wanted are ${asked}): a stream ` +
      `that is there is not changed by a start; change each with \`nats stream edit ${name} --replicas ${asked}\``,
  ];
}

/**
 * Servers refuse to promise more storage than they have: then all get half, and so on. What is made is never changed or
 * deleted again, since another node may have made it too and already write to it.
 */
async function createAll(
  api: JetStreamApi,
  options: StreamOptions,
  names: ReadonlySet<string>,
): Promise<{ logBytes: number; warnings: string[] }> {
  const open = new Set(names);
  const warnings: string[] = [];
  let { logBytes } = options;
  while (!(await hasRoomFor(api, options, totalBytes(wanted(options, logBytes), open)))) {
    logBytes = halved(logBytes, options);
  }
  for (;;) {
    const wants = wanted(options, logBytes).filter(({ name }) => open.has(name));
    await Promise.all(
      wants.map(async (want) => {
        const told = await createOne(api, want);
        if (told === undefined) return;
        open.delete(want.name);
        warnings.push(...told);
      }),
    );
    if (open.size === 0) return { logBytes, warnings };
    // Somebody took room since it was measured.
    logBytes = halved(logBytes, options);
  }
}

function halved(logBytes: number, { partitions }: StreamOptions): number {
  const half = Math.floor(logBytes / 2);
  if (half >= LOG_BYTES_MIN) return half;
  throw new PortError(
    "full",
    `the NATS server has no storage for ${partitions} logs of ${mib(LOG_BYTES_MIN)} each; give JetStream more ` +
      "(max_file_store, disk space), or use fewer partitions",
    { partitions },
  );
}

function totalBytes(wants: readonly StreamConfig[], names: ReadonlySet<string>): number {
  return wants.reduce((sum, want) => sum + (names.has(want.name) ? Math.max(0, want.max_bytes) : 0), 0);
}

/** Left free of promises, for what has no limit of its own: payloads, definitions, consumers. */
const ROOM_LEFT = 0.25;

/** Asks for all of it and more at once, under a name that nobody else uses, and gives it back. */
async function hasRoomFor(api: JetStreamApi, options: StreamOptions, bytes: number): Promise<boolean> {
  if (bytes === 0) return true;
  const probe = `HOLDFAST_PROBE_${crypto.randomUUID().replaceAll("-", "")}`;
  try {
    await api.createStream({
      ...base,
      name: probe,
      subjects: [`holdfast.probe.${probe}`],
      retention: "limits",
      max_bytes: Math.ceil(bytes * (1 + ROOM_LEFT)),
      max_msg_size: -1,
      num_replicas: options.replicas ?? 1,
      deny_delete: false,
    });
  } catch (thrown) {
    if (lacksStorage(thrown)) return false;
    throw thrown;
  }
  await api.deleteStream(probe);
  return true;
}

/** Warnings; undefined where the server has no room. */
async function createOne(api: JetStreamApi, want: StreamConfig): Promise<string[] | undefined> {
  try {
    return differences(want, await api.createStream(want));
  } catch (thrown) {
    if (lacksStorage(thrown)) return undefined;
    if (!(thrown instanceof JsApiError) || thrown.errCode !== JS_ERR.streamNameInUse) throw thrown;
    // Another node made it at the same time, perhaps with another size.
    const info = await api.streamInfo(want.name);
    return differences(asFound(want, info), info);
  }
}

/** Servers drop settings that they don't know in silence, so what they return is compared. */
function differences(want: StreamConfig, { config }: StreamInfo): string[] {
  const warnings: string[] = [];
  for (const [key, value] of Object.entries(want)) {
    const got: unknown =
      config[key as keyof StreamConfig] ?? (typeof value === "boolean" ? false : undefined);
    if (JSON.stringify(got) === JSON.stringify(value)) continue;
    const told = `stream ${want.name} has ${key} ${JSON.stringify(got)} where Holdfast needs ${JSON.stringify(value)}`;
    if (FATAL.has(key)) {
      throw new PortError(
        "config-mismatch",
        `${told}: commands could be lost. Change it with \`nats stream edit\`, or use another account for Holdfast`,
        { stream: want.name, setting: key },
      );
    }
    warnings.push(told);
  }
  return warnings;
}

function lost(streams: readonly string[]): PortError {
  return new PortError(
    "log-gap",
    `this cluster had its streams, and ${streams.join(", ")} ${streams.length === 1 ? "is" : "are"} gone. They are not made ` +
      "again, as that would hide the loss: bring back JetStream's folder, or start a new cluster in another account",
    { streams },
  );
}

const mib = (bytes: number): string => `${Math.floor(bytes / MIB)} MiB`;
