/**
 * From a published message to what it asks for, or to why it can't be a run. Pure: looks at nothing but the message.
 *
 * A subject names the workflow; the body is JSON (the input) or, by its content type, a StartRunRequest; headers may give
 * run id, priority, start time and trace. What header and body both give must agree.
 */
import { dayProblem, jsonFault, nameProblem, PRIORITY_MAX, runIdProblem, withoutMark } from "@holdfast/core";
import { OnConflict, RejectCode, type StartRunRequest, StartRunRequestSchema } from "@holdfast/proto";
import { decode } from "@holdfast/proto/codec";
import type { PublishedMessage } from "../ports/index.js";
import { startTimeProblem } from "../client/start-time.js";
import { WORK_PREFIX } from "../subjects.js";
import { headersProblem } from "./work-headers.js";
import { messageName } from "./work-run-id.js";

export interface WorkRequest {
  readonly workflow: string;
  readonly runId: string;
  /** Names the start for ever: the same message sent again gets the same answer. */
  readonly startId: string;
  /** UTF-8 JSON as it was published, but for a byte-order mark; empty where no input was given. */
  readonly inputBytes: Uint8Array;
  readonly priority: number;
  readonly startAtMs: number | undefined;
  readonly traceparent: string;
  /** One that is none, for whom it concerns: a new trace is begun. */
  readonly badTraceparent: string;
  readonly onConflict: OnConflict;
}

export interface WorkRefusal {
  readonly code: RejectCode;
  readonly reason: string;
}

export type ParsedWork =
  | { readonly ok: true; readonly request: WorkRequest }
  | { readonly ok: false; readonly refusal: WorkRefusal };

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;
const REASON_CHARS_MAX = 500;

/** Thrown within this file only, to leave from anywhere; `parseWork` returns it as a value. */
class Refused extends Error {
  constructor(
    readonly code: RejectCode,
    reason: string,
  ) {
    super(reason);
  }
}

export function parseWork(message: PublishedMessage): ParsedWork {
  try {
    return { ok: true, request: parse(message) };
  } catch (thrown) {
    if (!(thrown instanceof Refused)) throw thrown;
    return { ok: false, refusal: { code: thrown.code, reason: thrown.message.slice(0, REASON_CHARS_MAX) } };
  }
}

function parse(message: PublishedMessage): WorkRequest {
  const workflow = message.subject.startsWith(WORK_PREFIX) ? message.subject.slice(WORK_PREFIX.length) : "";
  const badName = nameProblem("workflow", workflow);
  if (badName !== undefined)
    throw new Refused(RejectCode.INVALID_NAME, `the subject names no workflow: ${badName}`);
  if (message.headerProblem !== undefined) {
    throw new Refused(RejectCode.MALFORMED, `its headers can't be read: ${message.headerProblem}`);
  }
  const wrongHeader = headersProblem(message.headerList());
  if (wrongHeader !== undefined) throw new Refused(RejectCode.MALFORMED, wrongHeader);
  const body = bodyOf(message, workflow);
  const startId = messageName(message, workflow);
  const runId = agreed("run id", header(message, "Holdfast-Run-Id"), body.runId) ?? startId;
  const badRunId = runIdProblem(runId);
  if (badRunId !== undefined) throw new Refused(RejectCode.INVALID_NAME, badRunId);
  const fault = body.inputBytes.length === 0 ? undefined : jsonFault(body.inputBytes);
  if (fault !== undefined)
    throw new Refused(RejectCode.MALFORMED, `the ${body.what} is not usable JSON: ${fault.message}`);
  const givenTrace = header(message, "traceparent") ?? body.traceparent;
  const traceparent = traceparentOf(givenTrace);
  return {
    workflow,
    runId,
    startId,
    inputBytes: body.inputBytes,
    priority: agreed("priority", priorityIn(message), body.priority) ?? 0,
    startAtMs: agreed("start time", startAtIn(message), body.startAtMs),
    traceparent,
    badTraceparent: traceparent === "" ? (givenTrace ?? "") : "",
    onConflict: body.onConflict,
  };
}

interface Body {
  readonly what: string;
  readonly inputBytes: Uint8Array;
  readonly runId: string | undefined;
  readonly priority: number | undefined;
  readonly startAtMs: number | undefined;
  readonly traceparent: string | undefined;
  readonly onConflict: OnConflict;
}

function bodyOf(message: PublishedMessage, workflow: string): Body {
  const [mediaType = "", ...parameters] = (header(message, "Content-Type") ?? "application/json")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  switch (mediaType) {
    case "application/json":
    case "text/json":
      checkCharset(parameters);
      return {
        what: "body",
        inputBytes: withoutMark(message.data),
        runId: undefined,
        priority: undefined,
        startAtMs: undefined,
        traceparent: undefined,
        onConflict: OnConflict.UNSPECIFIED,
      };
    case "application/x-protobuf":
    case "application/protobuf":
      return protobufBody(message, workflow);
    default:
      throw new Refused(
        RejectCode.UNSUPPORTED,
        `content type ${shown(mediaType)} is not understood: use application/json or application/x-protobuf ` +
          "(holdfast.v1.StartRunRequest)",
      );
  }
}

function checkCharset(parameters: readonly string[]): void {
  const charset = parameters.find((one) => one.startsWith("charset="))?.slice("charset=".length);
  if (charset === undefined || /^"?utf-?8"?$/.test(charset)) return;
  throw new Refused(RejectCode.UNSUPPORTED, `charset ${shown(charset)} is not understood: JSON is UTF-8`);
}

function protobufBody(message: PublishedMessage, workflow: string): Body {
  let request: StartRunRequest;
  try {
    request = decode(StartRunRequestSchema, message.data);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Refused(RejectCode.MALFORMED, `the body is no holdfast.v1.StartRunRequest: ${why}`);
  }
  if (request.workflow !== "" && request.workflow !== workflow) {
    throw new Refused(
      RejectCode.MALFORMED,
      `the body names workflow ${shown(request.workflow)} and the subject ${workflow}: leave the body's empty`,
    );
  }
  const { startAt } = request;
  return {
    what: "body's input_json",
    inputBytes: withoutMark(Buffer.from(request.inputJson, "utf8")),
    runId: request.runId === "" ? undefined : request.runId,
    priority: request.priority === 0 ? undefined : checkPriority(request.priority, String(request.priority)),
    startAtMs:
      startAt === undefined
        ? undefined
        : checkStartAt(
            Number(startAt.seconds) * 1_000 + Math.floor(startAt.nanos / 1e6),
            String(startAt.seconds),
          ),
    traceparent: request.traceparent === "" ? undefined : request.traceparent,
    onConflict: request.onConflict,
  };
}

/** An empty header is as good as none. */
function header(message: PublishedMessage, name: string): string | undefined {
  const value = message.header(name);
  return value === "" ? undefined : value;
}

function priorityIn(message: PublishedMessage): number | undefined {
  const text = header(message, "Holdfast-Priority");
  if (text === undefined) return undefined;
  return checkPriority(/^[+-]?\d{1,6}$/.test(text) ? Number(text) : Number.NaN, text);
}

function checkPriority(priority: number, text: string): number {
  if (Number.isInteger(priority) && Math.abs(priority) <= PRIORITY_MAX) return priority;
  throw new Refused(
    RejectCode.MALFORMED,
    `priority ${shown(text)} is not a whole number from -${PRIORITY_MAX} to ${PRIORITY_MAX}`,
  );
}

function startAtIn(message: PublishedMessage): number | undefined {
  const text = header(message, "Holdfast-Start-At");
  if (text === undefined) return undefined;
  if (/^\d{1,20}$/.test(text)) return checkStartAt(Number(text), text);
  return checkStartAt(RFC_3339.test(text) ? Date.parse(text) : Number.NaN, text);
}

function checkStartAt(ms: number, text: string): number {
  const problem = dayProblem(text) ?? startTimeProblem(ms);
  if (problem === undefined) return ms;
  throw new Refused(
    RejectCode.MALFORMED,
    `start time ${shown(text)} can't be meant: ${problem}; give RFC 3339 (2030-01-31T12:00:00Z) or Unix milliseconds (1896091200000)`,
  );
}

function agreed<T>(what: string, inHeader: T | undefined, inBody: T | undefined): T | undefined {
  if (inHeader === undefined || inBody === undefined || inHeader === inBody) return inHeader ?? inBody;
  throw new Refused(
    RejectCode.MALFORMED,
    `header and body give two values for the ${what}, ${shown(String(inHeader))} and ${shown(String(inBody))}: give one`,
  );
}

/** By the Trace Context specification a broken one starts a new trace: it is no reason to refuse work. */
function traceparentOf(text: string | undefined): string {
  return text !== undefined && text.length <= 128 && TRACEPARENT.test(text) ? text : "";
}

function shown(text: string): string {
  const cut = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return JSON.stringify(cut).replace(/[^\x20-\x7e…]/g, "?");
}
