/**
 * The checks that requests are made of. Each returns the value in the form that the rest uses, or throws INVALID_ARGUMENT
 * with the field's name, what is wrong with it and what is allowed. Nothing behind these checks looks at raw fields again.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { isSignatureId, ITEM_KEY_CHARS_MAX, ITEM_KEYS_MAX, nameProblem, runIdProblem } from "@holdfast/core";
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, startTimeProblem } from "@holdfast/engine";
import { RpcError } from "@holdfast/rpc";

/** Values in one filter, such as statuses; more than any enumeration has. */
export const FILTER_VALUES_MAX = 32;
/** Characters of a reason. */
export const REASON_CHARS_MAX = 512;
export const REQUEST_ID_CHARS_MAX = 128;

/** The range that log time has: from 1970 to the year 2262. */
const SECONDS_MAX = 9_223_372_036n;
const NS_PER_S = 1_000_000_000n;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

export function invalid(field: string, message: string, details: JsonObject = {}): RpcError {
  return new RpcError("INVALID_ARGUMENT", `${field}: ${message}`, {
    reason: "INVALID_FIELD",
    field,
    ...details,
  });
}

export function workflowName(value: string): string {
  const problem = nameProblem("workflow", value);
  if (problem !== undefined) throw invalid("workflow", problem);
  return value;
}

/** Empty stays empty: no filter. */
export const optionalWorkflow = (value: string): string => (value === "" ? "" : workflowName(value));

export function optionalAction(value: string): string {
  const problem = value === "" ? undefined : nameProblem("action", value);
  if (problem !== undefined) throw invalid("action", problem);
  return value;
}

/** Empty stays empty: no filter. */
export function optionalQueue(value: string): string {
  const problem = value === "" ? undefined : nameProblem("queue", value);
  if (problem !== undefined) throw invalid("queue", problem);
  return value;
}

export function runId(value: string, field = "run_id"): string {
  const problem = runIdProblem(value);
  if (problem !== undefined) throw invalid(field, problem);
  return value;
}

export function signatureId(value: string, field: string): string {
  if (isSignatureId(value)) return value;
  throw invalid(
    field,
    "a failure signature's id is 16 hex digits in lower case; ListFailureSignatures has them",
  );
}

export function pageSize(value: number): number {
  if (value === 0) return PAGE_SIZE_DEFAULT;
  if (value > PAGE_SIZE_MAX)
    throw invalid(
      "page_size",
      `${value} is too many; use 1 to ${PAGE_SIZE_MAX}, or 0 for ${PAGE_SIZE_DEFAULT}`,
    );
  return value;
}

/** The names of an enumeration's values that mean something. */
const namesOf = (values: Readonly<Record<string, string | number>>): string[] =>
  Object.entries(values).flatMap(([name, value]) => (typeof value === "number" && value !== 0 ? [name] : []));

/** A generated enumeration: names to numbers and back. */
type Enumeration<E extends number> = Readonly<Record<string, string | E>>;

const isMember = <E extends number>(values: Enumeration<E>, value: number): value is E =>
  typeof values[value] === "string";

/** A member of the enumeration; 0 is "not given". */
export function enumValue<E extends number>(field: string, values: Enumeration<E>, value: number): E {
  if (isMember(values, value)) return value;
  throw invalid(field, `${value} is none of its values; use one of ${namesOf(values).join(", ")}`);
}

/** A filter: each value once, none of them 0. */
export function enumFilter<E extends number>(
  field: string,
  values: Enumeration<E>,
  given: readonly number[],
): E[] {
  if (given.length > FILTER_VALUES_MAX) throw tooMany(field, given.length, FILTER_VALUES_MAX);
  const filter = given.map((value, at) => {
    const place = `${field}[${at}]`;
    if (value === 0)
      throw invalid(
        place,
        `UNSPECIFIED filters for nothing; use one of ${namesOf(values).join(", ")}, or leave it empty`,
      );
    return enumValue(place, values, value);
  });
  return [...new Set(filter)];
}

/** Of items, in a filter or a request. */
export function itemKeys(field: string, keys: readonly string[]): readonly string[] {
  if (keys.length > ITEM_KEYS_MAX) throw tooMany(field, keys.length, ITEM_KEYS_MAX);
  const wrong = keys.find((key) => key === "" || key.length > ITEM_KEY_CHARS_MAX);
  if (wrong === undefined) return keys;
  throw invalid(
    field,
    `a key has 1 to ${ITEM_KEY_CHARS_MAX} characters: one of ${wrong.length} names no item`,
  );
}

export function tooMany(field: string, count: number, max: number): RpcError {
  return invalid(field, `${count} values are too many; at most ${max} can be given at once`, { count, max });
}

/** Unix nanoseconds; 0 where it is absent. */
export function timestampNs(field: string, value: Timestamp | undefined): bigint {
  if (value === undefined) return 0n;
  const { seconds, nanos } = value;
  if (seconds < 0n || seconds >= SECONDS_MAX || nanos < 0 || nanos > 999_999_999) {
    throw invalid(
      field,
      `${seconds} s and ${nanos} ns is no time between 1970 and 2262 with nanoseconds from 0 to 999999999`,
    );
  }
  return seconds * NS_PER_S + BigInt(nanos);
}

/** A time that a start is put off to. Seconds that are milliseconds, or milliseconds divided once too often, are told as such. */
export function startAtNs(field: string, value: Timestamp | undefined): bigint {
  if (value === undefined) return 0n;
  const problem = startTimeProblem(Number(value.seconds) * 1_000 + Math.floor(value.nanos / 1e6));
  if (problem === undefined) return timestampNs(field, value);
  throw invalid(field, `${problem}; give the seconds since 1970 of a time up to the year 2200`);
}

export function reason(value: string, field = "reason"): string {
  if (value.length <= REASON_CHARS_MAX) return value;
  throw invalid(field, `it has ${value.length} characters; use at most ${REASON_CHARS_MAX}`);
}

/** Empty stays empty: one is made. */
export function requestId(value: string): string {
  if (value.length <= REQUEST_ID_CHARS_MAX) return value;
  throw invalid("request_id", `it has ${value.length} characters; use at most ${REQUEST_ID_CHARS_MAX}`);
}

export function traceparent(value: string): string {
  if (value === "" || TRACEPARENT.test(value)) return value;
  throw invalid(
    "traceparent",
    "it is not of the W3C form 00-<32 hex digits>-<16 hex digits>-<2 hex digits>; mend it or leave it out",
  );
}

export function intInRange(field: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  throw invalid(field, `${value} is out of range; use ${min} to ${max}`);
}
