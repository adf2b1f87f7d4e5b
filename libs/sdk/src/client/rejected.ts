/**
 * Published work that could not become a run: looked at, replayed as it came or mended, discarded.
 *
 * 1. The first decision about a message counts, whoever makes the next: `CONFLICT`. What was decided and cut short is finished by whoever repeats it.
 * 2. Everything that is thrown is a `HoldfastError`.
 */
import {
  type DefinitionRegistry,
  isEdit,
  jsonBytes,
  type RejectedDecision,
  type RejectedWorkEntry,
  replayEdited,
  type WorkQueue,
} from "@holdfast/engine";
import { RejectCode } from "@holdfast/proto";
import { SchemaValidator } from "@holdfast/schema";
import { HoldfastError } from "../errors.js";
import { guard } from "./boundary.js";
import { checkCallOptions } from "./option-names.js";

export interface ListRejectedOptions {
  /** Published for this workflow only. */
  readonly workflow?: string;
  /** After this one; default: from the first. */
  readonly afterId?: number;
  /** At most 1,000; default: 50. */
  readonly limit?: number;
}

export interface RejectedPage {
  readonly entries: readonly RejectedWorkEntry[];
  readonly more: boolean;
}

export interface ReplayRejectedOptions {
  /** In the place of the input that came. */
  readonly input?: unknown;
  /** In the place of the workflow that its subject names. */
  readonly workflow?: string;
  /** In the place of those of the same name, such as `Holdfast-Run-Id`; empty: that one is left out. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly reason?: string;
}

export interface RejectedDeps {
  readonly work: WorkQueue | undefined;
  readonly definitions: DefinitionRegistry;
  /** Who decides. */
  readonly who: string;
}

const BODY_BYTES_MAX = 4 * 1024;
const PAGE_DEFAULT = 50;

export class Rejected {
  readonly #deps: RejectedDeps;
  readonly #validator = new SchemaValidator();

  constructor(deps: RejectedDeps) {
    this.#deps = deps;
  }

  /** Oldest first; of each body the first 4 KiB. */
  list(options: ListRejectedOptions = {}): Promise<RejectedPage> {
    return guard(() => {
      checkCallOptions("rejectedList", options, "rejected.list");
      const { workflow = "", afterId = 0, limit = PAGE_DEFAULT } = options;
      return this.#work().listRejected({ workflow, afterId, limit, bodyBytesMax: BODY_BYTES_MAX });
    });
  }

  /** One, whole; undefined where there is none. */
  get(id: number): Promise<RejectedWorkEntry | undefined> {
    return guard(() => this.#work().getRejected(id));
  }

  /** Publishes it again, and forgets the rejected copy; false where there is none. What would be rejected again is refused. */
  replay(id: number, options: ReplayRejectedOptions = {}): Promise<boolean> {
    return guard(async () => {
      checkCallOptions("rejectedReplay", options, "rejected.replay");
      const work = this.#work();
      const by = { who: this.#deps.who, reason: options.reason ?? "" };
      const { input, workflow, headers } = options;
      const edit = {
        ...(input === undefined ? {} : { input: jsonBytes(input, "the input", "input") }),
        ...(workflow === undefined ? {} : { workflow }),
        ...(headers === undefined ? {} : { headers }),
      };
      if (!isEdit(edit)) return work.replayRejected(id, by);
      const { definitions } = this.#deps;
      const replayed = await replayEdited({ work, definitions, validator: this.#validator }, id, edit, by);
      if (replayed.kind !== "refused") return replayed.kind === "replayed";
      const message = `rejected work ${id} would be rejected again: ${replayed.reason}; nothing was changed`;
      throw new HoldfastError("INVALID_INPUT", message, "never", { id, reject: RejectCode[replayed.code] });
    });
  }

  /** Forgets it, for a reason that is kept; false where there is none. */
  discard(id: number, options: { readonly reason: string }): Promise<boolean> {
    return guard(() => {
      checkCallOptions("rejectedDiscard", options, "rejected.discard");
      if (options.reason.trim() === "")
        throw new HoldfastError("INVALID_ARGUMENT", "say why it is discarded: the reason is kept");
      return this.#work().discardRejected(id, { who: this.#deps.who, reason: options.reason });
    });
  }

  /** What was decided in the last 30 days, the newest first. */
  decided(limit = PAGE_DEFAULT): Promise<RejectedDecision[]> {
    return guard(() => this.#work().listDecided(limit));
  }

  #work(): WorkQueue {
    const { work } = this.#deps;
    if (work !== undefined) return work;
    throw new HoldfastError(
      "UNSUPPORTED",
      "this client has no queue of published work: connect it over NATS",
    );
  }
}
