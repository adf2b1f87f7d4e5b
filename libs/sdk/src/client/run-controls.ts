/**
 * What is told to one run: retry, cancel, pause and resume, signals and decisions, its way into the dead letters and out of them.
 *
 * 1. The same request id about the same run is one request, however often it is sent.
 * 2. Everything that is thrown is a `HoldfastError`.
 */
import { partitionOf } from "@holdfast/core";
import {
  cancelRunCommand,
  type Clock,
  type CommandClient,
  decideApprovalCommand,
  discardDeadLettersCommand,
  type FoundItems,
  itemsOfKeys,
  moveToDeadLettersCommand,
  type PayloadCodec,
  pauseRunCommand,
  type QueryClient,
  resumeRunCommand,
  retryRunCommand,
  signalRunCommand,
} from "@holdfast/engine";
import { type Accepted, type Command, RecoveryStrategy } from "@holdfast/proto";
import { durationMs } from "../duration.js";
import { HoldfastError } from "../errors.js";
import { freshId } from "../ids.js";
import { oneOf } from "../known-options.js";
import { acceptedOf } from "./accepted.js";
import { checkedRunId, guard } from "./boundary.js";
import { checkCallOptions } from "./option-names.js";
import type {
  CancelOptions,
  ChangeOptions,
  ControlOptions,
  DeadLetterOptions,
  DecisionOptions,
  RetryOptions,
} from "./options.js";

export interface RunControlsDeps {
  readonly commands: CommandClient;
  readonly queries: QueryClient;
  readonly payloads: PayloadCodec;
  readonly partitions: number;
  readonly clock: Clock;
  /** Who asks. */
  readonly who: string;
  /** Of the client. */
  readonly id: string;
}

const STRATEGIES = {
  RETRY_FAILED: RecoveryStrategy.RETRY_FAILED,
  RETRY_FROM_CHECKPOINT: RecoveryStrategy.RETRY_FROM_CHECKPOINT,
  RETRY_ALL: RecoveryStrategy.RETRY_ALL,
} as const;

type Fields = Parameters<typeof pauseRunCommand>[0];
/** Whose options, and the call's name. */
type Called = readonly [Parameters<typeof checkCallOptions>[0], string];

export class RunControls {
  readonly #deps: RunControlsDeps;

  constructor(deps: RunControlsDeps) {
    this.#deps = deps;
  }

  retry(runId: string, options: RetryOptions): Promise<Accepted> {
    return this.#sendItems(runId, ["retry", "retry"], options, (fields) => {
      const { strategy, force, deadLetters } = options;
      return retryRunCommand({
        ...fields,
        force,
        deadLetters,
        strategy: strategy && oneOf(strategy, STRATEGIES, "strategy"),
      });
    });
  }

  /** What is about items that may be named by key: those are found before anything is sent. */
  #sendItems(
    runId: string,
    of: Called,
    options: ChangeOptions & Pick<RetryOptions, "action" | "items">,
    make: (fields: Fields & { readonly action: string; readonly items: number[] }) => Command,
  ): Promise<Accepted> {
    return guard(async () => {
      checkCallOptions(of[0], options, of[1]);
      const { action = "" } = options;
      const { items, notFailed } = await this.#items(checkedRunId(runId), action, options.items ?? []);
      try {
        return await this.#send(runId, of, options, (fields) => make({ ...fields, action, items }));
      } catch (error) {
        const isRefused = error instanceof HoldfastError && error.code === "NOT_FAILED";
        throw isRefused ? (notFailed ?? error) : error;
      }
    });
  }

  /** Indices as they are given, and those of the items that keys name. */
  #items(runId: string, action: string, given: readonly (number | string)[]): Promise<FoundItems> {
    const items = given.filter((each) => typeof each !== "string");
    const keys = given.filter((each) => typeof each === "string");
    checkIndices(items);
    return itemsOfKeys(this.#deps.queries, { runId, action, items, keys: [...new Set(keys)] });
  }

  moveToDeadLetters(runId: string, options: DeadLetterOptions): Promise<Accepted> {
    return this.#sendItems(runId, ["deadLetter", "moveToDeadLetters"], options, moveToDeadLettersCommand);
  }

  discard(runId: string, options: DeadLetterOptions): Promise<Accepted> {
    return this.#sendItems(runId, ["deadLetter", "discard"], options, discardDeadLettersCommand);
  }

  cancel(runId: string, options: CancelOptions): Promise<Accepted> {
    return this.#send(runId, ["cancel", "cancel"], options, (fields) => {
      const graceMs = options.grace === undefined ? undefined : durationMs(options.grace, "grace");
      return cancelRunCommand({ ...fields, graceMs });
    });
  }

  pause(runId: string, options: ChangeOptions): Promise<Accepted> {
    return this.#send(runId, ["change", "pause"], options, pauseRunCommand);
  }

  resume(runId: string, options: ChangeOptions): Promise<Accepted> {
    return this.#send(runId, ["change", "resume"], options, resumeRunCommand);
  }

  signal(runId: string, name: string, payload: unknown, options: ControlOptions): Promise<Accepted> {
    return guard(async () => {
      const what = `the payload of signal ${name}`;
      const body =
        payload === undefined ? undefined : await this.#deps.payloads.encode(payload, what, "payload");
      return this.#send(runId, ["control", "signal"], options, (fields) =>
        signalRunCommand({ ...fields, name, payload: body }),
      );
    });
  }

  decide(runId: string, approved: boolean, options: DecisionOptions): Promise<Accepted> {
    return this.#send(runId, ["decide", approved ? "approve" : "reject"], options, (fields) => {
      const { action = "", comment = "" } = options;
      return decideApprovalCommand({ ...fields, action, approved, comment });
    });
  }

  #send(
    runId: string,
    [of, call]: Called,
    options: ChangeOptions,
    make: (fields: Fields) => Command,
  ): Promise<Accepted> {
    return guard(async () => {
      checkCallOptions(of, options, call);
      const { commands, partitions, clock, who, id } = this.#deps;
      const command = make({
        id: options.requestId ?? freshId(id),
        runId: checkedRunId(runId),
        who,
        reason: options.reason ?? "",
        nowMs: clock.nowMs(),
      });
      return acceptedOf(await commands.submit(partitionOf(runId, partitions), command));
    });
  }
}

const INDEX_MAX = 2 ** 32 - 1;
const INDICES_SHOWN = 10;

/** What is no index can't be sent: said here, it names what is wrong. */
function checkIndices(items: readonly unknown[]): void {
  const wrong = items.filter(
    (each) => !Number.isInteger(each) || Number(each) < 0 || Number(each) > INDEX_MAX,
  );
  if (wrong.length === 0) return;
  const shown = wrong.slice(0, INDICES_SHOWN).map(String).join(", ");
  const more = wrong.length > INDICES_SHOWN ? ` and ${wrong.length - INDICES_SHOWN} more` : "";
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `items has ${shown}${more}: give indices, whole numbers from 0 to ${INDEX_MAX}, or keys; nothing was changed`,
  );
}
