/**
 * Registers workflows, and finds what is registered.
 *
 * A definition is put into the registry and appended to every partition's log: durable there, it precedes every start that is sent later.
 */
import { isName } from "@holdfast/core";
import {
  type Clock,
  type CommandClient,
  type DefinitionRegistry,
  defineWorkflowCommand,
  type RegisteredDefinition,
} from "@holdfast/engine";
import { schemaProblem } from "@holdfast/schema";
import { HoldfastError } from "../errors.js";
import type { AnyWorkflow } from "../workflow/workflow.js";

/** What is known of a name is asked for anew after this long. */
const KNOWN_MS = 5_000;
const KNOWN_MAX = 1_000;

interface Known {
  readonly registered: RegisteredDefinition;
  readonly untilMs: number;
}

export class WorkflowRegistry {
  readonly #definitions: DefinitionRegistry;
  readonly #commands: CommandClient;
  readonly #partitions: number;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();

  constructor(deps: {
    definitions: DefinitionRegistry;
    commands: CommandClient;
    partitions: number;
    clock: Clock;
  }) {
    this.#definitions = deps.definitions;
    this.#commands = deps.commands;
    this.#partitions = deps.partitions;
    this.#clock = deps.clock;
  }

  /** Makes it the latest of its name. Idempotent. */
  async register({ definition, hash, name }: AnyWorkflow): Promise<void> {
    const problem = schemaProblem(definition.inputSchema);
    if (problem !== undefined) {
      throw new HoldfastError("INVALID_DEFINITION", `workflow ${name} can't be registered: ${problem}`);
    }
    await this.#definitions.put({ hash, definition });
    this.#known.delete(name);
    await Promise.all(
      Array.from({ length: this.#partitions }, (_, partition) =>
        this.#commands.send(partition, defineWorkflowCommand(definition, hash)),
      ),
    );
  }

  /** The latest definition of a name; undefined where there is none. A few seconds old at most. */
  async latest(name: string): Promise<RegisteredDefinition | undefined> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#known.get(name);
    if (known !== undefined && known.untilMs > nowMs) return known.registered;
    const registered = isName(name) ? await this.#lookUp(name, known) : undefined;
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    // What is missing may be registered any moment.
    if (registered !== undefined) this.#known.set(name, { registered, untilMs: nowMs + KNOWN_MS });
    return registered;
  }

  /** Names of workflows that are registered; none where nobody can be asked. */
  async names(): Promise<string[]> {
    try {
      return (await this.#definitions.list()).map(({ definition }) => definition.name).toSorted();
    } catch {
      return [];
    }
  }

  /** While nobody can be asked, what was known stands in: starts go on through an outage, and the fold has the last word. */
  async #lookUp(name: string, known: Known | undefined): Promise<RegisteredDefinition | undefined> {
    try {
      return await this.#definitions.latest(name);
    } catch (error) {
      if (known === undefined) throw error;
      return known.registered;
    }
  }
}
