/** What people are told of a log that has no room: how large it is, what stops, and what to do. */
import { logStream } from "../subjects.js";

const MIB = 1024 ** 2;

export const logRatioText = (bytes: number, maxBytes: number): string =>
  `${(bytes / MIB).toFixed(1)} of ${(maxBytes / MIB).toFixed(1)} MiB`;

/** An entry that is refused was larger than what is left, so what is left may be some. */
const NEARLY_FULL = 0.9;

/** `maxBytes` 0: it has no limit of its own, so it is the disk or the server's storage that has no room. */
export function logFullText(partition: number, bytes: number, maxBytes: number): string {
  const stream = logStream(partition);
  return maxBytes > 0 && bytes >= maxBytes * NEARLY_FULL
    ? `the log of partition ${partition} is full (stream ${stream}, ${logRatioText(bytes, maxBytes)}): nothing more can be started or reported there until it ` +
        `has more room. Give it some: \`nats stream edit ${stream} --max-bytes=<more>\``
    : `the NATS server has no room for the log of partition ${partition} (stream ${stream}, ${maxBytes > 0 ? logRatioText(bytes, maxBytes) : `${(bytes / MIB).toFixed(1)} MiB`}): ` +
        "free space on its disk, or raise its storage limit (max_file_store)";
}

/** Beyond this a log is as good as full: entries are up to 1 MiB. */
export const LOG_FULL_RATIO = 0.99;
