/** What a handler knows of the call it answers. Holds no business state and decides nothing. */
import { randomUUID } from "node:crypto";
import type { Deadline, Metadata } from "@grpc/grpc-js";

/** Metadata: who asks, for logs and for what is written of a retry or a cancel. Not authenticated. */
export const USER_KEY = "holdfast-user";
/** Metadata: names the call in the server's log. */
export const REQUEST_ID_KEY = "holdfast-request-id";
/** Longest user or request id that is taken from metadata; more is cut. */
export const METADATA_VALUE_MAX = 128;

export interface CallContext {
  /** Such as `/holdfast.v1.AdminService/GetRun`. */
  readonly method: string;
  /** Aborts when the caller cancels, its deadline passes or its connection breaks. */
  readonly signal: AbortSignal;
  /** The caller's deadline, Unix milliseconds; undefined: it set none. */
  readonly deadlineAtMs: number | undefined;
  /** The `holdfast-user` metadata, else `anonymous@<peer>`. */
  readonly who: string;
  /** The `holdfast-request-id` metadata, else a fresh one. */
  readonly requestId: string;
  readonly peer: string;
}

/** The part of grpc-js's calls that every kind has. */
export interface AnyServerCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  getPeer(): string;
  getDeadline(): Deadline;
  getPath(): string;
  on(event: "cancelled", listener: () => void): unknown;
}

export function contextOf(call: AnyServerCall): CallContext {
  const controller = new AbortController();
  if (call.cancelled) controller.abort();
  call.on("cancelled", () => controller.abort());
  const peer = call.getPeer();
  return {
    method: call.getPath(),
    signal: controller.signal,
    deadlineAtMs: deadlineMs(call),
    who: textOf(call.metadata, USER_KEY) ?? `anonymous@${peer}`,
    requestId: textOf(call.metadata, REQUEST_ID_KEY) ?? randomUUID(),
    peer,
  };
}

function deadlineMs(call: AnyServerCall): number | undefined {
  const deadline = call.getDeadline();
  const ms = typeof deadline === "number" ? deadline : deadline.getTime();
  return Number.isFinite(ms) ? ms : undefined;
}

/** Metadata is printable ASCII on the wire; anything else travels percent-encoded, as `client.ts` does it. */
export const toMetadataText = (text: string): string =>
  encodeURI(text.slice(0, METADATA_VALUE_MAX).toWellFormed());

function textOf(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key)[0];
  if (typeof value !== "string") return undefined;
  const text = fromMetadataText(value).trim().slice(0, METADATA_VALUE_MAX);
  return text === "" ? undefined : text;
}

function fromMetadataText(value: string): string {
  try {
    return decodeURI(value);
  } catch {
    // A lone percent sign of somebody who did not encode: taken as it is.
    return value;
  }
}
