/**
 * Moves published work into the partitions' logs.
 *
 * 1. A message is acknowledged only once its start was accepted, or it is kept as rejected with its reason: never lost.
 * 2. The same message again is the same run: its run id and the name of its start derive from it alone.
 * 3. One under the id of a run that is there is a duplicate; where it says something else than what began that, it is kept as rejected.
 * 4. A message that can't be a run, or whatever goes wrong with it, touches no other message.
 * 5. At most `concurrency` messages are under way at once; reading stops until there is room.
 */
import { fromUtf8, partitionOf } from "@holdfast/core";
import { type Accepted, type Command, type Outcome, RejectCode, RunStatus } from "@holdfast/proto";
import { limitedLogger, type Logger } from "@holdfast/telemetry";
import { defineWorkflowCommand, startRunCommand } from "../client/commands.js";
import { PayloadCodec, PayloadError } from "../client/payloads.js";
import {
  type DefinitionRegistry,
  type PayloadStore,
  PortError,
  type RegisteredDefinition,
  type WorkMessage,
  type WorkQueue,
} from "../ports/index.js";
import type { CommandSubmitter, InputValidator, InputVerdict } from "./ports.js";
import { parseWork, type WorkRefusal, type WorkRequest } from "./work-request.js";

export const INTAKE_CONCURRENCY_DEFAULT = 512;
export const RETRY_LATER_MS_DEFAULT = 1_000;
/** A log without room gets some by a person's hand. */
export const RETRY_FULL_MS_DEFAULT = 5_000;
const TRACEPARENT_SHOWN_CHARS = 128;
const FITS: InputVerdict = { ok: true };

export interface IntakeDeps {
  readonly work: WorkQueue;
  readonly definitions: DefinitionRegistry;
  readonly payloads: PayloadStore;
  readonly submitter: CommandSubmitter;
  readonly validator: InputValidator;
  readonly partitions: number;
  readonly logger: Logger;
  readonly concurrency?: number;
  /** How long a message waits whose start could not be submitted now. */
  readonly retryLaterMs?: number;
}

export interface IntakeStats {
  accepted: number;
  /** Of the accepted: the run was there already. */
  existed: number;
  rejected: number;
  retried: number;
  underWay: number;
  /** Messages whose traceparent was none, so that a new trace was begun. */
  badTraceparents: number;
}

export class Intake {
  readonly stats: IntakeStats = {
    ...{ accepted: 0, existed: 0, rejected: 0, retried: 0, underWay: 0 },
    badTraceparents: 0,
  };
  readonly #deps: IntakeDeps;
  readonly #payloads: PayloadCodec;
  readonly #definitions = new Map<string, RegisteredDefinition>();
  readonly #concurrency: number;
  /** Anybody may publish: what each bad message causes is said at a bounded rate, and counted. */
  readonly #logger: Logger;
  #settled: (() => void) | undefined;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
    this.#payloads = new PayloadCodec(deps.payloads);
    this.#logger = limitedLogger(deps.logger);
    this.#concurrency = deps.concurrency ?? INTAKE_CONCURRENCY_DEFAULT;
  }

  /** Runs until `signal` aborts and what is under way has settled. */
  async run(stop: AbortSignal): Promise<void> {
    const over = new AbortController();
    try {
      await this.#runUntil(AbortSignal.any([stop, over.signal]));
    } finally {
      // Whoever runs it again watches anew.
      over.abort();
    }
  }

  async #runUntil(signal: AbortSignal): Promise<void> {
    const { definitions, work } = this.#deps;
    await definitions.watch((entry) => this.#definitions.set(entry.definition.name, entry), signal);
    for await (const batch of work.read(signal)) {
      for (const message of batch) {
        await this.#roomBelow(this.#concurrency);
        if (signal.aborted) {
          // Another node may take it at once.
          message.retryLater(0);
          continue;
        }
        this.stats.underWay++;
        void this.#handle(message);
      }
    }
    await this.#roomBelow(1);
  }

  async #roomBelow(limit: number): Promise<void> {
    while (this.stats.underWay >= limit) {
      await new Promise<void>((resolve) => {
        this.#settled = resolve;
      });
    }
  }

  /** Never rejects. */
  async #handle(message: WorkMessage): Promise<void> {
    try {
      const refusal = await this.#start(message);
      if (refusal === undefined) this.stats.accepted++;
      else await this.#reject(message, refusal);
      message.ack();
    } catch (thrown) {
      this.stats.retried++;
      const fields = { err: thrown, subject: shownSubject(message), seq: message.seq };
      this.#logger.warn("published work could not be moved now; it comes again", fields);
      const isFull = thrown instanceof PortError && thrown.code === "full";
      const laterMs = isFull ? RETRY_FULL_MS_DEFAULT : RETRY_LATER_MS_DEFAULT;
      message.retryLater(this.#deps.retryLaterMs ?? laterMs);
    } finally {
      this.stats.underWay--;
      const settled = this.#settled;
      this.#settled = undefined;
      settled?.();
    }
  }

  async #reject(message: WorkMessage, { code, reason }: WorkRefusal): Promise<void> {
    await this.#deps.work.reject(message, code, reason);
    this.stats.rejected++;
    const fields = { subject: shownSubject(message), seq: message.seq, code: RejectCode[code], reason };
    this.#logger.info("rejected published work", fields);
  }

  /** Undefined once a run is there; else why there can be none. Throws where it is not known yet. */
  async #start(message: WorkMessage): Promise<WorkRefusal | undefined> {
    const parsed = parseWork(message);
    if (!parsed.ok) return parsed.refusal;
    const { request } = parsed;
    if (request.badTraceparent !== "") this.#newTrace(message, request);
    const definition = await this.#definition(request.workflow);
    if (definition === undefined) {
      return {
        code: RejectCode.UNKNOWN_WORKFLOW,
        reason: `workflow "${request.workflow}" is not registered: start a worker that has it, then replay this`,
      };
    }
    const checked = this.#checked(definition, request.inputBytes);
    const verdict = checked instanceof Promise ? await checked : checked;
    if (!verdict.ok) {
      const reason = `the input does not match the schema of workflow "${request.workflow}": ${verdict.message}`;
      return { code: RejectCode.SCHEMA_MISMATCH, reason };
    }
    try {
      const command = await this.#command(message, request, definition);
      return this.#judge(await this.#submit(request, definition, command));
    } catch (thrown) {
      const refusal = tooLarge(thrown);
      if (refusal !== undefined) return refusal;
      throw thrown;
    }
  }

  /** It is no reason to refuse work, but whoever looks for the trace in vain should find out why. */
  #newTrace(message: WorkMessage, { runId, badTraceparent }: WorkRequest): void {
    this.stats.badTraceparents++;
    this.#logger.debug("the traceparent of published work is none: a new trace is begun", {
      run: runId,
      subject: shownSubject(message),
      traceparent: badTraceparent.slice(0, TRACEPARENT_SHOWN_CHARS),
    });
  }

  /** Its value is asked for only where there is a schema to hold it against. */
  #checked(definition: RegisteredDefinition, input: Uint8Array): ReturnType<InputValidator["validate"]> {
    if (definition.definition.inputSchema === "") return FITS;
    const value: unknown = input.length === 0 ? null : JSON.parse(fromUtf8(input));
    return this.#deps.validator.validate(definition, value);
  }

  async #definition(workflow: string): Promise<RegisteredDefinition | undefined> {
    // The watch may be behind a registration that the publisher has seen.
    return this.#definitions.get(workflow) ?? (await this.#deps.definitions.latest(workflow));
  }

  async #command(
    message: WorkMessage,
    request: WorkRequest,
    { hash }: RegisteredDefinition,
  ): Promise<Command> {
    const { inputBytes } = request;
    const what = `the input of run ${request.runId}`;
    const command = startRunCommand({
      runId: request.runId,
      workflow: request.workflow,
      definitionHash: hash,
      input: inputBytes.length === 0 ? undefined : await this.#payloads.encodeBytes(inputBytes, what),
      priority: request.priority,
      startAtMs: request.startAtMs,
      traceparent: request.traceparent,
      onConflict: request.onConflict,
      compareInput: true,
      origin: `subject ${message.subject} #${message.seq}`,
    });
    command.id = request.startId;
    return command;
  }

  async #submit(request: WorkRequest, definition: RegisteredDefinition, command: Command): Promise<Outcome> {
    const { submitter, partitions } = this.#deps;
    const partition = partitionOf(request.runId, partitions);
    const outcome = await submitter.submit(partition, command);
    const unknown =
      outcome.result.case === "rejected" && outcome.result.value.code === RejectCode.UNKNOWN_WORKFLOW;
    if (!unknown) return outcome;
    // It is registered, and this partition has not been told: whoever registered it was cut short, or is not done.
    await submitter.submit(partition, defineWorkflowCommand(definition.definition, definition.hash));
    return await submitter.submit(partition, command);
  }

  #judge({ result }: Outcome): WorkRefusal | undefined {
    switch (result.case) {
      case "accepted":
        if (!result.value.existed && !result.value.differs) return undefined;
        this.stats.existed++;
        return duplicateRefusal(result.value);
      case "rejected":
        return { code: result.value.code, reason: result.value.message };
      default:
        // An end without an answer to the start: the run is there.
        return undefined;
    }
  }
}

/** Of a message under the id of a run that is there. What its publisher sent twice is nothing to speak of; what else it says must not be lost. */
function duplicateRefusal({ runId, status, existed, differs }: Accepted): WorkRefusal | undefined {
  const code = RejectCode.RUN_EXISTS;
  const run = `run ${runId} exists, ${RunStatus[status]}`;
  if (differs)
    return {
      code,
      reason: `${run}, and was begun with another body: this one changed nothing. Publish it under another run id (Holdfast-Run-Id), or, once that run has ended, restart the run with it`,
    };
  if (existed && status === RunStatus.FAILED)
    return { code, reason: `${run}: retry it, or publish this under another run id (Holdfast-Run-Id)` };
  return undefined;
}

function tooLarge(thrown: unknown): WorkRefusal | undefined {
  const isTooLarge =
    (thrown instanceof PortError || thrown instanceof PayloadError) && thrown.code === "too-large";
  return isTooLarge ? { code: RejectCode.TOO_LARGE, reason: thrown.message } : undefined;
}

const shownSubject = (message: WorkMessage): string => message.subject.slice(0, 200);
