/**
 * Which functions a worker has, as it told them, less those that it gave a task back for.
 *
 * 1. Workers of one build have the same functions: what they told is kept once for all of them.
 */
import { createHash } from "node:crypto";
import { type ActionFunctions, type WorkflowFunctions, WorkflowFunctionsSchema } from "@holdfast/proto";
import { encode } from "@holdfast/proto/codec";
import type { Functions, Role } from "../partition/needed.js";

/** Functions that a worker is known to lack although it told that it has them, or told nothing. */
const LACKS_MAX = 1_000;

type Told = ReadonlyMap<string, ReadonlyMap<string, number>>;

export class WorkerFunctions implements Functions {
  private readonly lacks = new Set<string>();

  /** Undefined: it told nothing, and is taken to have whatever its workflows need. */
  constructor(private readonly told: Told | undefined) {}

  has(workflow: string, action: string, role: Role): boolean {
    if (this.lacks.size > 0 && this.lacks.has(`${workflow}/${action}/${role}`)) return false;
    return this.told === undefined || ((this.told.get(workflow)?.get(action) ?? 0) & role) !== 0;
  }

  /** It gave back what needs it; `key`: as of `Needed`. False where there are too many to remember. */
  lack(key: string): boolean {
    if (this.lacks.size >= LACKS_MAX && !this.lacks.has(key)) return false;
    this.lacks.add(key);
    return true;
  }
}

interface Shared {
  readonly told: Told;
  workers: number;
}

/** What workers told, each kept as long as a worker has it. */
export class ToldFunctions {
  private readonly byContent = new Map<string, Shared>();

  /** To be given back by `drop` with the name that comes with it. */
  take(functions: readonly WorkflowFunctions[]): { readonly name: string; readonly told: Told } {
    const content = createHash("sha256");
    for (const each of functions) content.update(encode(WorkflowFunctionsSchema, each));
    const name = content.digest("base64");
    let shared = this.byContent.get(name);
    if (shared === undefined) {
      const rolesOf = (actions: readonly ActionFunctions[]): ReadonlyMap<string, number> =>
        new Map(actions.map(({ action, roles }) => [action, roles]));
      shared = {
        told: new Map(functions.map(({ workflow, actions }) => [workflow, rolesOf(actions)])),
        workers: 0,
      };
      this.byContent.set(name, shared);
    }
    shared.workers += 1;
    return { name, told: shared.told };
  }

  drop(name: string): void {
    const shared = this.byContent.get(name);
    if (shared === undefined) return;
    shared.workers -= 1;
    if (shared.workers === 0) this.byContent.delete(name);
  }
}
