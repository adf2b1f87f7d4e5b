/**
 * The ids that a bulk operation is given: the good ones are its runs, each bad one is told of by its place and fails alone.
 *
 * 1. Whoever takes the list sorts it, so that a bad text of any length gets no further than the door.
 * 2. A list without a good id, an empty one and one that is too long begin nothing.
 * 3. Run ids that arrive in a log unsorted are refused whole: so it was before lists were sorted, and so old logs fold.
 */
import { type BulkResult, BulkResultKind, BulkResultSchema, type WrongRunId } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { BULK_ID_BYTES_MAX, BULK_IDS_MAX, WRONG_ID_SHOWN_CHARS_MAX } from "../limits.js";
import { isRunId, quoted, RUN_ID_RULE, runIdProblem } from "../names.js";

/** What of an operation's list is none, in the words that its refusals are counted by. */
export const NOT_A_RUN_ID = "not a run id";

export interface BulkIds {
  readonly runIds: readonly string[];
  /** In the order of their places. */
  readonly wrongIds: readonly WrongRunId[];
  /** Entries of the list as it was given. */
  readonly listed: number;
}

export const NO_IDS: BulkIds = { runIds: [], wrongIds: [], listed: 0 };

/** Each once. A list without a good id stays as it is: it is refused with all that is wrong with it. */
export function sortIds(asGiven: readonly string[]): BulkIds {
  const listed = asGiven.length;
  const places = new Map<string, number>();
  for (const [at, id] of asGiven.entries()) if (!places.has(id)) places.set(id, at + 1);
  const runIds: string[] = [];
  const wrongIds: WrongRunId[] = [];
  for (const [id, number] of places)
    if (isRunId(id)) runIds.push(id);
    else wrongIds.push({ $typeName: "holdfast.v1.WrongRunId", number, shown: quoted(id) });
  return runIds.length === 0 ? { ...NO_IDS, runIds: asGiven, listed } : { runIds, wrongIds, listed };
}

/** A sentence that says why nothing begins; undefined: something can. */
export function idsProblem({ runIds: asSent, wrongIds, listed }: BulkIds): string | undefined {
  const runIds = [...new Set(asSent)];
  if (runIds.length === 0) return "run_ids is empty: name at least one run";
  const count = runIds.length + wrongIds.length;
  if (count > BULK_IDS_MAX)
    return `${count} run ids are more than the ${BULK_IDS_MAX} that one operation takes: use several`;
  const problem = unsortedProblem(asSent) ?? wrongIdsProblem(wrongIds, listed);
  if (problem !== undefined) return problem;
  const texts = [...runIds, ...wrongIds.map(({ shown }) => shown)];
  const bytes = texts.reduce((sum, { length }) => sum + length, 0);
  if (bytes <= BULK_ID_BYTES_MAX) return undefined;
  return `the run ids are ${bytes} bytes together, more than the ${BULK_ID_BYTES_MAX} that one operation takes: use several`;
}

const UNSORTED_SHOWN = 10;

/** All of a long list are told of at once, so that it is mended once. */
function unsortedProblem(runIds: readonly string[]): string | undefined {
  const wrong = runIds.flatMap((runId, at) => (isRunId(runId) ? [] : [at]));
  const [first] = wrong;
  if (first === undefined) return undefined;
  const problem = runIdProblem(runIds[first] ?? "") ?? "";
  if (runIds.length === 1) return problem;
  const others = wrong.slice(1, UNSORTED_SHOWN).map((at) => `number ${at + 1} ${quoted(runIds[at] ?? "")}`);
  const more = wrong.length - others.length - 1;
  const told = [...others, ...(more > 0 ? [`${more} more`] : [])];
  const also = told.length > 0 ? `; nor are ${told.join(", ")}: ${wrong.length} in all` : "";
  return `number ${first + 1} of the ${runIds.length} run ids: ${problem}${also}; nothing was begun: mend them or leave them out`;
}

/** As `quoted` writes. */
const SHOWN = /^[\x20-\x7e…]+$/;

/** Of what somebody else may have written into the log: it is kept with the results. */
function wrongIdsProblem(wrongIds: readonly WrongRunId[], listed: number): string | undefined {
  let last = 0;
  for (const { number, shown } of wrongIds) {
    if (number <= last || number > listed)
      return `wrong_ids has number ${number} after ${last}, of ${listed}: each place of the list stands once, in order`;
    if (shown.length > WRONG_ID_SHOWN_CHARS_MAX || !SHOWN.test(shown))
      return `number ${number} of wrong_ids is not shown quoted and cut`;
    last = number;
  }
  return undefined;
}

/** What became of each of them. */
export const wrongResults = ({ wrongIds, listed }: BulkIds): BulkResult[] =>
  wrongIds.map(({ number, shown }) =>
    init(BulkResultSchema, {
      runId: shown,
      kind: BulkResultKind.REFUSED,
      reason: `number ${number} of the ${listed} run ids is not valid: ${RUN_ID_RULE}`,
      why: NOT_A_RUN_ID,
    }),
  );
