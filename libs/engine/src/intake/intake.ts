/**
 * Moves published work into the partitions' logs.
 *
 * 1. A message is acknowledged only once its start was accepted, or it is kept as rejected with its reason: never lost.
 * 2. The same message again is the same run: its run id and the name of its start derive from it alone.
 * 3. A message that can't be a run, or whatever goes wrong with it, touches no other message.
 * 4. At most `concurrency` messages are under way at once; reading stops until there is room.
 */
import { partitionOf } from "@holdfast/core";
import { type Command, type Outcome, RejectCode } from "@holdfast/proto";
import type { Logger } from "@holdfast/telemetry";
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
import type { CommandSubmitter, InputValidator } from "./ports.js";
import { parseWork, type WorkRefusal, type WorkRequest } from "./work-request.js";

export const INTAKE_CONCURRENCY_DEFAULT = 512;
export const RETRY_LATER_MS_DEFAULT = 1_000;

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
}

export class Intake {
  readonly stats: IntakeStats = { accepted: 0, existed: 0, rejected: 0, retried: 0, underWay: 0 };
  readonly #deps: IntakeDeps;
  readonly #payloads: PayloadCodec;
  readonly #definitions = new Map<string, RegisteredDefinition>();
  readonly #concurrency: number;
  #settled: (() => void) | undefined;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
    this.#payloads = new PayloadCodec(deps.payloads);
    this.#concurrency = deps.concurrency ?? INTAKE_CONCURRENCY_DEFAULT;
  }

  /** Runs until `signal` aborts and what is under way has settled. */
  async run(signal: AbortSignal): Promise<void> {
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
      this.#deps.logger.warn("published work could not be moved now; it comes again", fields);
      message.retryLater(this.#deps.retryLaterMs ?? RETRY_LATER_MS_DEFAULT);
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
    this.#deps.logger.info("rejected published work", fields);
  }

  /** Undefined once a run is there; else why there can be none. Throws where it is not known yet. */
  async #start(message: WorkMessage): Promise<WorkRefusal | undefined> {
    const parsed = parseWork(message);
    if (!parsed.ok) return parsed.refusal;
    const { request } = parsed;
    const definition = await this.#definition(request.workflow);
    if (definition === undefined) {
      return {
        code: RejectCode.UNKNOWN_WORKFLOW,
        reason: `workflow "${request.workflow}" is not registered: start a worker that has it, then replay this`,
      };
    }
    const verdict = this.#deps.validator.validate(definition, request.input);
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
        if (result.value.existed) this.stats.existed++;
        return undefined;
      case "rejected":
        return { code: result.value.code, reason: result.value.message };
      default:
        // An end without an answer to the start: the run is there.
        return undefined;
    }
  }
}

function tooLarge(thrown: unknown): WorkRefusal | undefined {
  const isTooLarge =
    (thrown instanceof PortError || thrown instanceof PayloadError) && thrown.code === "too-large";
  return isTooLarge ? { code: RejectCode.TOO_LARGE, reason: thrown.message } : undefined;
}

const shownSubject = (message: WorkMessage): string => message.subject.slice(0, 200);
