/** Child runs over four partitions on memory ports: through deaths, lost folders, and inputs that the owner has to bring. */
import { create } from "@bufbuild/protobuf";
import { partitionOf } from "@holdfast/core";
import {
  ActionStatus,
  FailureMode,
  RunStatus,
  type RunView,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { describe, expect, test } from "vitest";
import { retryRunCommand, startRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "../dispatch/testing.js";

const PARTITIONS = 4;
const leaf = create(WorkflowDefinitionSchema, {
  name: "leaf",
  actions: [{ name: "work", retry: { maxAttempts: 1 } }],
});
const parent = create(WorkflowDefinitionSchema, {
  name: "parent",
  actions: [
    { name: "sub", child: { workflow: "leaf" } },
    { name: "after", after: ["sub"] },
  ],
});
const part = create(WorkflowDefinitionSchema, {
  name: "part",
  actions: [
    {
      name: "sub",
      child: { workflow: "leaf", input: { case: "inputPointer", value: "/orders/1" } },
    },
  ],
});

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

class Scene {
  readonly world = new TestWorld({}, PARTITIONS);
  readonly worker = new TestWorker(this.world, "worker-a", 100);
  private readonly reported = new Set<string>();

  static async open(): Promise<Scene> {
    const scene = new Scene();
    await scene.world.startNode();
    for (const definition of [leaf, parent, part]) await scene.world.define(definition);
    scene.worker.beat();
    return scene;
  }

  async start(workflow: string, runId: string, input?: unknown): Promise<void> {
    const command = startRunCommand({
      workflow,
      runId,
      input: input === undefined ? undefined : json(input),
    });
    const { result } = await this.world.until(
      this.world.commands.submit(partitionOf(runId, PARTITIONS), command),
    );
    if (result.case !== "accepted") throw new Error(`run ${runId} was not accepted`);
    await this.pass();
  }

  async pass(ms = 400): Promise<void> {
    await this.world.clock.advance(ms);
  }

  /** Reports the tasks that a worker has and has not reported. */
  async work(how: "succeed" | "fail" = "succeed"): Promise<number> {
    const open = this.worker.tasks.filter(
      (task) => !this.reported.has(`${task.runId}/${task.action}/${task.attempt}`),
    );
    for (const task of open) {
      this.reported.add(`${task.runId}/${task.action}/${task.attempt}`);
      if (how === "succeed") await this.worker.succeed(task);
      else await this.worker.fail(task, FailureMode.VALIDATION, "no good");
    }
    await this.pass();
    return open.length;
  }

  view(runId: string): Promise<RunView> {
    return this.world.until(this.world.queries.getRun(runId));
  }

  async restart(folder: "kept" | "lost"): Promise<void> {
    await this.world.until(this.world.node?.stop() ?? Promise.resolve());
    if (folder === "lost") this.world.loseState();
    await this.world.startNode();
    this.worker.beat();
    await this.pass(1_000);
  }
}

const RUNS = Array.from({ length: 12 }, (_, i) => `p-${i}`);

describe("child runs", () => {
  test("live in partitions of their own, and their parents go on when they have ended", async () => {
    const scene = await Scene.open();
    for (const runId of RUNS) await scene.start("parent", runId, { n: 1 });
    const children = await Promise.all(
      RUNS.map(async (runId) => (await scene.view(runId)).actions[0]?.child?.runId ?? ""),
    );
    const crossing = RUNS.filter(
      (runId, i) => partitionOf(runId, PARTITIONS) !== partitionOf(children[i] ?? "", PARTITIONS),
    );
    expect(crossing.length).toBeGreaterThan(3);
    expect((await scene.view(children[0] ?? "")).parent).toMatchObject({ runId: "p-0", action: "sub" });
    expect(await scene.work()).toBe(RUNS.length);
    expect(await scene.work()).toBe(RUNS.length);
    for (const runId of RUNS) {
      const { summary, actions } = await scene.view(runId);
      expect(summary?.status).toBe(RunStatus.COMPLETED);
      expect(actions[0]?.child).toMatchObject({ status: RunStatus.COMPLETED, tally: { ok: 1 } });
    }
  });

  test.each(["kept", "lost"] as const)(
    "end for their parents after the node died, its folder %s",
    async (folder) => {
      const scene = await Scene.open();
      for (const runId of RUNS) await scene.start("parent", runId);
      await scene.restart(folder);
      await scene.work();
      await scene.restart(folder);
      await scene.work();
      for (const runId of RUNS) expect((await scene.view(runId)).summary?.status).toBe(RunStatus.COMPLETED);
    },
  );

  test("that fail, fail their parents, and a retry of the parent retries them", async () => {
    const scene = await Scene.open();
    await scene.start("parent", "p-1");
    await scene.work("fail");
    const failed = await scene.view("p-1");
    expect(failed.summary).toMatchObject({ status: RunStatus.FAILED, failureMode: FailureMode.VALIDATION });
    const child = failed.actions[0]?.child?.runId ?? "";
    const { commands, clock } = scene.world;
    const retry = retryRunCommand({
      id: "retry-1",
      runId: "p-1",
      who: "ann",
      reason: "",
      nowMs: clock.nowMs(),
    });
    await scene.world.until(commands.submit(partitionOf("p-1", PARTITIONS), retry));
    await scene.pass();
    expect((await scene.view("p-1")).actions[0]).toMatchObject({
      status: ActionStatus.WAITING,
      child: { runId: child },
    });
    await scene.work();
    await scene.work();
    expect((await scene.view("p-1")).summary?.status).toBe(RunStatus.COMPLETED);
    expect((await scene.view(child)).summary?.generation).toBe(2);
  });
});

describe("an input that is a part of something", () => {
  test.each(["the owner", "the owner after it"])("is brought by %s", async (who) => {
    const scene = await Scene.open();
    const input = { orders: [1, { id: "b" }] };
    if (who === "the owner") await scene.start("part", "p-1", input);
    else {
      // Folded while nobody acts: what is to be brought is found in state.
      await scene.world.until(scene.world.node?.stop() ?? Promise.resolve());
      const command = startRunCommand({ workflow: "part", runId: "p-1", input: json(input) });
      await scene.world.until(scene.world.commands.send(partitionOf("p-1", PARTITIONS), command));
      await scene.world.startNode();
      scene.worker.beat();
      await scene.pass(1_000);
    }
    await scene.work();
    expect((await scene.view("p-1")).summary?.status).toBe(RunStatus.COMPLETED);
    const task = scene.worker.tasks[0];
    expect(new TextDecoder().decode(task?.input?.body.value as Uint8Array)).toBe('{"id":"b"}');
  });

  test("that is not there fails the action, and says what was looked for", async () => {
    const scene = await Scene.open();
    await scene.start("part", "p-1", { orders: [1] });
    const { actions, summary } = await scene.view("p-1");
    expect(summary?.status).toBe(RunStatus.FAILED);
    expect(actions[0]?.detail).toMatch(/nothing at \/orders\/1 in the run's input/);
  });

  test("that is no JSON is refused before anything of it begins", async () => {
    const scene = await Scene.open();
    const { commands } = scene.world;
    const input = new TextEncoder().encode("[".repeat(100_000));
    const command = startRunCommand({ workflow: "part", runId: "p-1", input });
    const outcome = await scene.world.until(commands.submit(partitionOf("p-1", PARTITIONS), command));
    expect(outcome.result).toMatchObject({
      case: "rejected",
      value: { message: expect.stringContaining("200") },
    });
  });
});
