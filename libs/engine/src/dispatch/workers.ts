/**
 * What this node knows of workers: their capacity, what they were sent, and when they were last heard.
 *
 * 1. A worker never has more tasks of a queue from this node than it said it takes, and none that it has no function for.
 * 2. Batches to a worker are numbered densely; what it did not receive is sent again under the same number.
 * 3. Anybody may publish a beat. A worker is given tasks once it has confirmed a batch, the first one being empty: so it is there, and listens where
 *    it says. Until then it may be moved, and makes room for others; from then on its inbox stays what it is.
 */
import type { DueTask } from "@holdfast/core";
import type { Processor } from "../partition/processor.js";
import type { Needed } from "../partition/needed.js";
import type { Beat } from "./beats.js";
import { ToldFunctions, WorkerFunctions } from "./functions.js";

export const WORKERS_MAX = 10_000;

export interface InFlight {
  readonly key: string;
  readonly partition: Processor;
  readonly task: DueTask;
  readonly worker: Worker;
  /** 0: not sent yet, or learnt from a roll call. */
  batch: number;
  readonly sentAtMs: number;
  /** Empty: learnt from a roll call. */
  actionName: string;
  readonly deadlineMs: number;
}

export interface Worker {
  readonly id: string;
  inbox: string;
  /** The process it says it is; empty: it does not say. */
  process: string;
  /** It has confirmed a batch. */
  proven: boolean;
  /** Batches up to this one it had before it was known here, or at another inbox. */
  firstBatch: number;
  /** Since when it has been known here, or at its inbox. */
  sinceMs: number;
  draining: boolean;
  /** It said that it is gone. */
  ended: boolean;
  /** As heard (`Hearing`), as all times of this table. */
  lastHeardMs: number;
  /** Since it was last heard, its lease began anew because this node had been deaf. */
  excused: boolean;
  lastBatch: number;
  running: number;
  /** Workflows it has handlers for; undefined: any. */
  workflows: ReadonlySet<string> | undefined;
  /** Undefined: whatever its workflows need. */
  functions: WorkerFunctions | undefined;
  /** The digest of the functions that it told; empty: it told none. */
  functionsDigest: string;
  /** What it told, in `ToldFunctions`. */
  functionsName: string;
  /** It says that it has others than it told: it gets nothing until it tells. */
  untold: boolean;
  readonly capacity: Map<string, number>;
  /** Tasks in flight of each queue. */
  readonly used: Map<string, number>;
  readonly inFlight: Map<string, InFlight>;
  /** It beats, but has confirmed nothing for a lease: it is given nothing until it confirms. */
  deaf: boolean;
  /** It has been silent for a lease, and is not known to be gone: it is given nothing until it beats. */
  blocked: boolean;
  /** When it was last looked for; 0: not since it was heard. */
  soughtMs: number;
  /** Batches that no beat has confirmed, the first of them first. */
  readonly unconfirmed: Map<number, Sent>;
}

export interface Sent {
  /** Since when its worker could have confirmed it. */
  sinceMs: number;
  lastMs: number;
  times: number;
}

export class Workers {
  private readonly byId = new Map<string, Worker>();
  /** Of proven ones alone: what is invented costs no more than its row. */
  private byQueue = new Map<string, Worker[]>();
  /** Who has a function, of those that serve a queue; as long as nothing of that changes. */
  private readonly byFunction = new Map<string, readonly Worker[]>();
  private readonly told = new ToldFunctions();
  /** In no order, each at its place. */
  private readonly unproven: Worker[] = [];
  private readonly places = new Map<Worker, number>();

  get all(): Iterable<Worker> {
    return this.byId.values();
  }

  get count(): number {
    return this.byId.size;
  }

  find(id: string): Worker | undefined {
    return this.byId.get(id);
  }

  /** Takes a beat in; a sentence where it is refused. */
  heard(beat: Beat, nowMs: number): Worker | string {
    let worker = this.byId.get(beat.worker);
    if (worker === undefined) {
      if (this.byId.size >= WORKERS_MAX && !this.makeRoom())
        return `there are ${WORKERS_MAX} workers, and all of them answer`;
      // One that was taken for lost goes on where it was: a number is never used twice.
      worker = newWorker(beat, beat.arrived ?? 0, nowMs);
      this.byId.set(worker.id, worker);
      this.places.set(worker, this.unproven.push(worker) - 1);
    } else if (worker.inbox !== beat.inbox) {
      if (worker.proven)
        return "another inbox than the one that it has answered from: a worker that starts again is another one";
      worker.inbox = beat.inbox;
      worker.firstBatch = worker.lastBatch;
      worker.sinceMs = nowMs;
    }
    worker.draining = beat.draining;
    // Who speaks is there, whoever said in its name that it is gone.
    worker.ended = false;
    worker.lastHeardMs = nowMs;
    worker.excused = false;
    worker.blocked = false;
    worker.soughtMs = 0;
    if (worker.process === "" && beat.host !== "") worker.process = `pid ${beat.pid} on ${beat.host}`;
    worker.running = beat.running;
    worker.workflows = beat.workflows.length === 0 ? undefined : new Set(beat.workflows);
    this.learn(worker, beat);
    const { queues } = beat;
    const { capacity } = worker;
    const same = queues.length === capacity.size && queues.every(({ queue }) => capacity.has(queue));
    if (!same) capacity.clear();
    for (const each of queues) capacity.set(each.queue, each.capacity);
    if (!same && worker.proven) this.index();
    return worker;
  }

  /** It has confirmed a batch that it was sent at its inbox. */
  prove(worker: Worker): void {
    worker.proven = true;
    this.leavePlace(worker);
    this.enter(worker);
  }

  remove(worker: Worker): void {
    this.byId.delete(worker.id);
    this.told.drop(worker.functionsName);
    if (worker.proven) this.index();
    else this.leavePlace(worker);
  }

  /** It gave a task back for want of this function: it gets no more of its like. False where that can't be remembered. */
  lacks(worker: Worker, needed: Needed): boolean {
    worker.functions ??= new WorkerFunctions(undefined);
    this.byFunction.clear();
    return worker.functions.lack(needed.key);
  }

  /** Those of a queue that have a function. */
  able(queue: string, { key, workflow, action, role }: Needed): readonly Worker[] {
    const name = `${queue}/${key}`;
    let able = this.byFunction.get(name);
    if (able === undefined) {
      able = this.serving(queue).filter(
        ({ workflows, functions, untold }) =>
          !untold && (workflows?.has(workflow) ?? true) && (functions?.has(workflow, action, role) ?? true),
      );
      this.byFunction.set(name, able);
    }
    return able;
  }

  private learn(worker: Worker, { functionsDigest, functions }: Beat): void {
    const digest = Buffer.from(functionsDigest).toString("base64");
    if (digest === worker.functionsDigest) {
      worker.untold = false;
      return;
    }
    if (digest !== "" && functions.length === 0) {
      worker.untold = true;
      return;
    }
    this.told.drop(worker.functionsName);
    worker.untold = false;
    worker.functionsDigest = digest;
    worker.functionsName = "";
    worker.functions = undefined;
    if (digest !== "") {
      const { name, told } = this.told.take(functions);
      worker.functionsName = name;
      worker.functions = new WorkerFunctions(told);
    }
    this.byFunction.clear();
  }

  serving(queue: string): readonly Worker[] {
    return this.byQueue.get(queue) ?? [];
  }

  /** How many more tasks of a queue the worker takes. */
  room(worker: Worker, queue: string): number {
    if (worker.draining || worker.untold || worker.deaf || worker.blocked) return 0;
    return (worker.capacity.get(queue) ?? 0) - (worker.used.get(queue) ?? 0);
  }

  /** One that has never answered goes: any of them, so that nobody can keep others from staying long enough to answer. */
  private makeRoom(): boolean {
    for (let tries = 0; tries < 8 && this.unproven.length > 0; tries++) {
      const chosen = this.unproven[Math.floor(Math.random() * this.unproven.length)] as Worker;
      if (chosen.inFlight.size > 0) continue;
      this.remove(chosen);
      return true;
    }
    return false;
  }

  private leavePlace(worker: Worker): void {
    const at = this.places.get(worker);
    if (at === undefined) return;
    this.places.delete(worker);
    const last = this.unproven.pop() as Worker;
    if (last === worker) return;
    this.unproven[at] = last;
    this.places.set(last, at);
  }

  private index(): void {
    this.byQueue = new Map();
    this.byFunction.clear();
    for (const worker of this.byId.values()) if (worker.proven) this.enter(worker);
  }

  private enter(worker: Worker): void {
    this.byFunction.clear();
    for (const queue of worker.capacity.keys()) {
      const list = this.byQueue.get(queue);
      if (list === undefined) this.byQueue.set(queue, [worker]);
      else list.push(worker);
    }
  }
}

const newWorker = ({ worker: id, inbox }: Beat, received: number, nowMs: number): Worker => ({
  id,
  inbox,
  process: "",
  proven: false,
  firstBatch: received,
  sinceMs: nowMs,
  draining: false,
  ended: false,
  lastHeardMs: nowMs,
  excused: false,
  lastBatch: received,
  running: 0,
  workflows: undefined,
  functions: undefined,
  functionsDigest: "",
  functionsName: "",
  untold: false,
  capacity: new Map(),
  used: new Map(),
  inFlight: new Map(),
  deaf: false,
  blocked: false,
  soughtMs: 0,
  unconfirmed: new Map(),
});
