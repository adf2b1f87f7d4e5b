/** More due work than there is room for, in every interleaving: none of it is forgotten. */
import { create } from "@bufbuild/protobuf";
import { ActionDefinitionSchema, type Task, WorkflowDefinitionSchema } from "@holdfast/proto";
import { array, assert, asyncProperty, constantFrom, integer, nat, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { pauseWorkflowCommand, resumeWorkflowCommand, startRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "../dispatch/testing.js";
import { SlowStore, turns } from "./slow-store.js";

/** Its second action is for workers of another kind. */
const inTwo = (name: string) =>
  create(WorkflowDefinitionSchema, {
    name,
    actions: [{ name: "first" }, { name: "second", queue: "other", after: ["first"] }],
  });

/** All that workers do of it is soon done, and it goes on for days: whoever looks for due work comes past it. */
const neverOver = (name: string) => {
  const definition = inTwo(name);
  const rest = { name: "rest", wait: { for: { case: "sleepMs" as const, value: 864_000_000n } } };
  definition.actions.push(create(ActionDefinitionSchema, rest));
  return definition;
};

interface Step {
  readonly kind: "start" | "work" | "pass" | "pause" | "resume" | "join";
  readonly workflow: number;
  readonly count: number;
}

interface Scenario {
  readonly readyTasksMax: number;
  readonly derivePage: number;
  readonly workflows: number;
  readonly delays: readonly number[];
  readonly steps: readonly Step[];
}

const WORKFLOWS_MAX = 4;
const anyStep = record<Step>({
  kind: constantFrom("start", "start", "work", "work", "pass", "pause", "resume", "join"),
  workflow: nat(WORKFLOWS_MAX - 1),
  count: integer({ min: 1, max: 12 }),
});
const scenario = record<Scenario>({
  readyTasksMax: integer({ min: 1, max: 12 }),
  derivePage: integer({ min: 1, max: 6 }),
  workflows: integer({ min: 1, max: WORKFLOWS_MAX }),
  delays: array(nat(12), { minLength: 1, maxLength: 20 }),
  steps: array(anyStep, { minLength: 5, maxLength: 40 }),
});

class Backlog {
  private readonly store = new SlowStore();
  readonly world: TestWorld;
  private readonly workers: TestWorker[] = [];
  private readonly reported = new Map<TestWorker, number>();
  readonly runs = new Set<string>();
  readonly ended = new Set<string>();
  private commands = 0;

  constructor(private readonly drawn: Scenario) {
    const { readyTasksMax, derivePage, delays } = drawn;
    this.world = new TestWorld({ readyTasksMax, derivePage, workerLeaseMs: 3_600_000, rollCallMs: 10 }, 1);
    this.world.store = this.store;
    let asked = 0;
    this.store.delay = () => turns(delays[asked++ % delays.length] as number);
  }

  async open(): Promise<void> {
    await this.world.startNode();
    for (let i = 0; i < this.drawn.workflows; i++) await this.world.define(inTwo(`w${i}`));
  }

  private name = ({ workflow }: Step): string => `w${workflow % this.drawn.workflows}`;

  async take(step: Step): Promise<void> {
    const { clock } = this.world;
    switch (step.kind) {
      case "start":
        this.start(this.name(step), step.count);
        return await clock.advance(1);
      case "work":
        this.work(step.count);
        return await clock.advance(1);
      case "pass":
        return await clock.advance(step.count * 10);
      case "join":
        this.join(step.count, step.count % 2 === 0 ? "default" : "other", [this.name(step)]);
        return;
      default:
        this.control(step.kind, this.name(step));
    }
  }

  private start(workflow: string, count: number): void {
    for (let i = 0; i < count; i++) {
      const runId = `run-${this.runs.size}`;
      this.runs.add(runId);
      void this.world.commands.send(0, startRunCommand({ workflow, runId }));
    }
  }

  private control(kind: "pause" | "resume", workflow: string): void {
    const id = `control-${++this.commands}`;
    const fields = { workflow, id, who: "ann", reason: "", nowMs: this.world.clock.nowMs() };
    const command = kind === "pause" ? pauseWorkflowCommand(fields) : resumeWorkflowCommand(fields);
    void this.world.commands.send(0, command);
  }

  private join(capacity: number, queue: string, workflows: readonly string[]): void {
    const id = `worker-${this.workers.length}`;
    this.workers.push(new TestWorker(this.world, id, capacity, queue, workflows));
  }

  /** Each worker reports up to so many of what it has. */
  private work(most: number): void {
    for (const worker of this.workers) {
      const done = this.reported.get(worker) ?? 0;
      const some = worker.tasks.slice(done, done + most);
      this.reported.set(worker, done + some.length);
      for (const task of some) {
        void worker.succeed(task);
        if (task.actionName === "second") this.ended.add(task.runId);
      }
    }
  }

  /** Workers of all kinds are there, and nothing is paused: all ends, without the help of whoever looks whether anything stands still. */
  async drain(): Promise<void> {
    for (let i = 0; i < this.drawn.workflows; i++) this.control("resume", `w${i}`);
    this.join(3, "default", []);
    this.join(3, "other", []);
    for (let round = 0; round < 3_000 && this.ended.size < this.runs.size; round++) {
      this.work(100);
      await this.world.clock.advance(1);
      if (round % 500 === 499) for (const worker of this.workers) worker.beat();
    }
  }

  get tasks(): Task[] {
    return this.workers.flatMap((worker) => worker.tasks);
  }
}

describe("due work beyond the room in memory", () => {
  test("is all found, whatever falls together, and each attempt goes out once", async () => {
    await assert(
      asyncProperty(scenario, async (drawn) => {
        const backlog = new Backlog(drawn);
        await backlog.open();
        for (const each of drawn.steps) await backlog.take(each);
        await backlog.drain();
        expect([...backlog.runs].filter((runId) => !backlog.ended.has(runId))).toEqual([]);
        const sent = backlog.tasks.map(({ runId, action, attempt }) => `${runId}/${action}/${attempt}`);
        expect(sent.length).toBe(new Set(sent).size);
        expect(backlog.world.registry.render()).toContain("holdfast_stalls_total 0");
        await backlog.world.until(backlog.world.node?.stop() ?? Promise.resolve());
      }),
      { numRuns: 60 },
    );
  });

  test("is found in linear time, past runs whose work is done and that wait for something else", async () => {
    const store = new SlowStore();
    let rows = 0;
    store.read = ({ from }, found) => {
      if (from.startsWith("x")) rows += found;
    };
    const world = new TestWorld({ readyTasksMax: 40, derivePage: 100, workerLeaseMs: 3_600_000 }, 1);
    world.store = store;
    await world.startNode();
    for (const name of ["one", "two"]) await world.define(neverOver(name));
    const runs = 1_500;
    for (let i = 0; i < runs; i++)
      void world.commands.send(
        0,
        startRunCommand({ workflow: i % 15 === 0 ? "one" : "two", runId: `run-${i}` }),
      );
    // All of it is in the store by then.
    await world.clock.advance(1_000);
    rows = 0;
    const workers = [new TestWorker(world, "a", 10), new TestWorker(world, "b", 10, "other")];
    const done = [0, 0];
    const ended = new Set<string>();
    for (let round = 0; round < 5_000 && ended.size < runs; round++) {
      workers.forEach((worker, at) => {
        for (const task of worker.tasks.slice(done[at])) {
          void worker.succeed(task);
          if (task.actionName === "second") ended.add(task.runId);
        }
        done[at] = worker.tasks.length;
      });
      await world.clock.advance(1);
    }
    expect(ended.size).toBe(runs);
    expect(rows).toBeGreaterThan(1_000);
    expect(rows).toBeLessThan(4 * runs);
  });
});
