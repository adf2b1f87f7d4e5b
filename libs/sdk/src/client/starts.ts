/**
 * Starts of runs, and of others in their place.
 *
 * 1. A start that resolved is durable. One that failed with `unknown-outcome` may be repeated under the same run id.
 * 2. The same restart (its request id) is the same new run, however often it is sent.
 */
import { partitionOf, restartRunId } from "@holdfast/core";
import {
  type Clock,
  type CommandClient,
  inlinePayload,
  type PayloadCodec,
  type QueryClient,
  restartProblem,
  startRunCommand,
  type StartRunFields,
  type StartTicket,
} from "@holdfast/engine";
import { OnConflict, type Payload, type RunView } from "@holdfast/proto";
import { from, HoldfastError } from "../errors.js";
import { freshId, RunIds } from "../ids.js";
import { oneOf } from "../known-options.js";
import type { AnyWorkflow } from "../workflow/workflow.js";
import { acceptedOf } from "./accepted.js";
import { checkedRunId, checkedTime, isUnknownWorkflow } from "./boundary.js";
import type { InputChecker } from "./input-checker.js";
import { checkCallOptions } from "./option-names.js";
import type { RestartOptions, StartOptions } from "./options.js";
import type { WorkflowRegistry } from "./registry.js";
import { RunHandle, type RunHost } from "./run-handle.js";

const CONFLICTS: Readonly<Record<NonNullable<StartOptions["onConflict"]>, OnConflict>> = {
  return: OnConflict.UNSPECIFIED,
  reject: OnConflict.REJECT,
  retry_if_failed: OnConflict.RETRY_IF_FAILED,
};

export interface StartsDeps {
  readonly commands: CommandClient;
  readonly queries: QueryClient;
  readonly payloads: PayloadCodec;
  readonly inputs: InputChecker;
  readonly registry: WorkflowRegistry;
  readonly clock: Clock;
  readonly partitions: number;
  /** Who asks. */
  readonly who: string;
  readonly host: RunHost;
}

export class Starts {
  readonly #deps: StartsDeps;
  readonly #runIds = new RunIds();

  constructor(deps: StartsDeps) {
    this.#deps = deps;
  }

  async start(
    workflow: AnyWorkflow | string,
    input: unknown,
    options: StartOptions,
  ): Promise<RunHandle<unknown>> {
    // The hottest call of all: no closure and no promise more than it needs.
    try {
      checkCallOptions("start", options, "start");
      const { inputs, clock, payloads, registry, host } = this.#deps;
      const name = typeof workflow === "string" ? workflow : workflow.name;
      const runId =
        options.runId === undefined ? this.#runIds.next(clock.nowMs()) : checkedRunId(options.runId);
      const checking = inputs.check(workflow, input);
      if (checking !== undefined) await checking;
      const encoding =
        input === undefined ? undefined : payloads.encode(input, `the input of a ${name} run`, "input");
      const payload = encoding instanceof Promise ? await encoding : encoding;
      let ticket = this.#submitStart(workflow, runId, payload, options);
      let outcome = await ticket.accepted;
      if (typeof workflow !== "string" && isUnknownWorkflow(outcome)) {
        await registry.register(workflow);
        ticket = this.#submitStart(workflow, runId, payload, options);
        outcome = await ticket.accepted;
      }
      const { existed, status } = acceptedOf(outcome);
      return new RunHandle<unknown>(host, ticket, runId, existed, status);
    } catch (error) {
      throw from(error);
    }
  }

  async restart(
    runId: string,
    options: RestartOptions & { readonly workflow?: AnyWorkflow },
  ): Promise<RunHandle<unknown>> {
    try {
      checkCallOptions("restart", options, "restart");
      checkedRunId(runId);
      const { queries, registry, host, who } = this.#deps;
      const requestId = options.requestId ?? freshId("restart");
      const newRunId =
        options.runId === undefined ? restartRunId(runId, requestId) : checkedRunId(options.runId);
      const view = await queries.getRun(runId);
      const workflow = workflowOf(view, options.workflow);
      const problem = restartProblem(view, newRunId);
      if (problem !== undefined) throw new HoldfastError("NOT_ENDED", problem, "never", { runId });
      const fields = {
        runId: newRunId,
        input: await this.#inputOf(view, workflow, options),
        priority: view.summary?.priority,
        onConflict: OnConflict.REJECT,
        restarts: { runId, who, reason: options.reason ?? "" },
        compareInput: true,
      };
      // Named by the request, so that it gets the same answer when it is sent again.
      const id = `restart-${restartRunId(runId, requestId)}`.slice(-128);
      let ticket = this.#submitRestart(workflow, fields, id);
      let outcome = await ticket.accepted;
      if (typeof workflow !== "string" && isUnknownWorkflow(outcome)) {
        await registry.register(workflow);
        ticket = this.#submitRestart(workflow, fields, id);
        outcome = await ticket.accepted;
      }
      const { status, differs } = acceptedOf(outcome);
      if (differs) {
        const message = `run ${newRunId} was begun by this request with another input: choose another request id, and another id of the new run`;
        throw new HoldfastError("RUN_EXISTS", message, "never", { runId: newRunId });
      }
      return new RunHandle<unknown>(host, ticket, newRunId, false, status);
    } catch (error) {
      throw from(error);
    }
  }

  /** What is given, or what the run had; checked as that of any start. */
  async #inputOf(
    { summary }: RunView,
    workflow: AnyWorkflow | string,
    options: RestartOptions,
  ): Promise<Payload | undefined> {
    const { queries, payloads, inputs } = this.#deps;
    const runId = summary?.runId ?? "";
    const what = `the input of run ${runId}`;
    if ("input" in options && options.input !== undefined) {
      await inputs.check(workflow, options.input);
      return payloads.encode(options.input, what, "input");
    }
    const bytes = await payloads.bytes(await queries.getPayload(runId, undefined), what);
    const given = bytes === undefined ? undefined : inlinePayload(bytes);
    await inputs.check(workflow, payloads.decode(given, what));
    // Encoded anew, so that a large one counts as used from now on.
    return bytes === undefined ? undefined : payloads.encodeBytes(bytes, what);
  }

  #submitRestart(
    workflow: AnyWorkflow | string,
    fields: Omit<StartRunFields, "workflow">,
    id: string,
  ): StartTicket {
    const { commands, partitions, who } = this.#deps;
    const byName = typeof workflow === "string";
    const command = startRunCommand({
      ...fields,
      workflow: byName ? workflow : workflow.name,
      definitionHash: byName ? "" : workflow.hash,
      origin: who,
      notifyEnd: true,
    });
    command.id = id;
    return commands.submitStart(partitionOf(fields.runId, partitions), command);
  }

  #submitStart(
    workflow: AnyWorkflow | string,
    runId: string,
    input: Payload | undefined,
    options: StartOptions,
  ): StartTicket {
    const { commands, partitions, who } = this.#deps;
    const byName = typeof workflow === "string";
    const command = startRunCommand({
      runId,
      workflow: byName ? workflow : workflow.name,
      definitionHash: byName ? "" : workflow.hash,
      input,
      priority: options.priority,
      startAtMs: options.startAt && checkedTime(options.startAt),
      traceparent: options.traceparent,
      onConflict: oneOf(options.onConflict ?? "return", CONFLICTS, "onConflict"),
      origin: who,
      notifyEnd: true,
    });
    return commands.submitStart(partitionOf(runId, partitions), command);
  }
}

/** Which definition the new run is of: the latest by its name, or the one that is at hand. */
function workflowOf({ summary }: RunView, given: AnyWorkflow | undefined): AnyWorkflow | string {
  const { runId = "", workflow = "" } = summary ?? {};
  if (given === undefined) return workflow;
  if (given.name === workflow) return given;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `run ${runId} is of workflow ${workflow}, and can't be restarted as one of ${given.name}: start that`,
  );
}
