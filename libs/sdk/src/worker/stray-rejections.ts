/**
 * A handler may make a promise and never await it. Where that one rejects, Node would end the process, and with it every other run of the worker.
 *
 * 1. From a process's first worker on, a rejection that nobody listens to is logged, and ends nothing. A handler may outlive its worker, so that stays so.
 * 2. The line names the run where the error itself tells it: the context of an attempt handed it out. Else it names whose handlers are at work.
 */
import type { Logger } from "@holdfast/telemetry";
import type { HeldTask } from "./held-task.js";

export interface StrayWatcher {
  readonly logger: Logger;
  /** Whose handlers are at work. */
  atWork(): Iterable<HeldTask>;
}

const NAMED_MAX = 4;
const watchers = new Set<StrayWatcher>();
let last: StrayWatcher | undefined;
/** Errors that the context of an attempt handed out. */
const owners = new WeakMap<object, HeldTask>();

/** Remembers whose error it is, as long as the error is kept by somebody. */
export function isOf(error: unknown, held: HeldTask): void {
  if (typeof error === "object" && error !== null) owners.set(error, held);
}

/** Until the answer is called; the last to watch goes on telling what comes after it. */
export function watchStray(watcher: StrayWatcher): () => void {
  if (last === undefined) process.on("unhandledRejection", onStray);
  watchers.add(watcher);
  last = watcher;
  return () => void watchers.delete(watcher);
}

function onStray(reason: unknown): void {
  const watcher = [...watchers].at(-1) ?? last;
  try {
    watcher?.logger.error(
      "a promise was rejected and nobody awaits it; the worker goes on. Await every promise that a handler makes, or catch its error",
      { ...whose(reason), err: reason },
    );
  } catch {
    // A logger that fails must not do what the rejection did not.
  }
}

function whose(reason: unknown): Readonly<Record<string, unknown>> {
  const owner = typeof reason === "object" && reason !== null ? owners.get(reason) : undefined;
  if (owner !== undefined) return named(owner);
  // It may be of one of these, or of a handler that has returned: nobody knows.
  const atWork: HeldTask[] = [];
  for (const watcher of watchers)
    for (const held of watcher.atWork()) if (atWork.length < NAMED_MAX) atWork.push(held);
  return atWork.length === 0 ? {} : { atWork: atWork.map(named) };
}

function named({ task }: HeldTask): Readonly<Record<string, unknown>> {
  const { runId, actionName, item, attempt } = task;
  return { run: runId, action: actionName, ...(item === undefined ? {} : { item }), attempt };
}
