/** A rejected message as it is to be replayed: with another input, for another workflow, with other headers. Pure. */
import { StartRunRequestSchema, type StartRunRequest } from "@holdfast/proto";
import { decode, encode } from "@holdfast/proto/codec";
import type { RejectedWorkEntry, ReplayedAs } from "../ports/index.js";
import { WORK_PREFIX } from "../subjects.js";

export interface WorkEdit {
  /** UTF-8 JSON; absent: the input that it has. */
  readonly input?: Uint8Array | undefined;
  /** Absent: the one that its subject names. */
  readonly workflow?: string | undefined;
  /** In the place of those of the same name; empty: that one is left out. */
  readonly headers?: Readonly<Record<string, string>>;
}

export function isEdit({ input, workflow, headers = {} }: WorkEdit): boolean {
  return input !== undefined || workflow !== undefined || Object.keys(headers).length > 0;
}

export function editedWork(entry: RejectedWorkEntry, edit: WorkEdit): ReplayedAs {
  const changes = new Map(
    Object.entries(edit.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const subject = edit.workflow === undefined ? entry.subject : WORK_PREFIX + edit.workflow;
  const headers = [
    ...entry.headerList.filter(([name]) => !changes.has(name.toLowerCase())),
    ...Object.entries(edit.headers ?? {}).filter(([, value]) => value !== ""),
  ];
  const request = protobufOf(entry);
  if (request !== undefined && !changes.has("content-type")) {
    return { subject, headers, data: encode(StartRunRequestSchema, edited(request, edit, changes)) };
  }
  if (edit.input === undefined) return { subject, headers, data: entry.data };
  if (changes.has("content-type")) return { subject, headers, data: edit.input };
  // What was sent as something else is JSON from now on.
  const others = headers.filter(([name]) => name.toLowerCase() !== "content-type");
  return { subject, headers: others, data: edit.input };
}

/** The body where it is a request that can be read. */
function protobufOf({ headers, data }: RejectedWorkEntry): StartRunRequest | undefined {
  const type = Object.entries(headers).find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  if (!/^application\/(x-)?protobuf\b/i.test(type)) return undefined;
  try {
    return decode(StartRunRequestSchema, data);
  } catch {
    return undefined;
  }
}

/** A header that is given stands for the body's own word, which gives way to it. */
function edited(
  request: StartRunRequest,
  { input, workflow }: WorkEdit,
  changes: ReadonlyMap<string, string>,
): StartRunRequest {
  const { startAt, ...rest } = request;
  return {
    ...rest,
    ...(input === undefined ? {} : { inputJson: Buffer.from(input).toString("utf8") }),
    ...(workflow === undefined ? {} : { workflow: "" }),
    ...(changes.has("holdfast-run-id") ? { runId: "" } : {}),
    ...(changes.has("holdfast-priority") ? { priority: 0 } : {}),
    ...(changes.has("traceparent") ? { traceparent: "" } : {}),
    ...(startAt === undefined || changes.has("holdfast-start-at") ? {} : { startAt }),
  };
}
