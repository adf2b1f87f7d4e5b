/** Lines on their way into the log: in turns, through deaths of their owner, and through trouble with the store. */
import { create } from "@bufbuild/protobuf";
import { partitionOf, utf8 } from "@holdfast/core";
import {
  ActionStatus,
  FailureMode,
  PayloadSchema,
  RunStatus,
  type RunView,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { expect, test } from "vitest";
import { startRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "../dispatch/testing.js";
import { PortError } from "../ports/errors.js";

const ITEMS_A_COMMAND = 10;
const rows = create(WorkflowDefinitionSchema, {
  name: "rows",
  actions: [
    {
      name: "check",
      forEach: { source: { case: "linesOfInput", value: "/file" }, window: 5 },
      retry: { maxAttempts: 1 },
    },
  ],
});

class Scene {
  readonly world = new TestWorld({ itemsACommand: ITEMS_A_COMMAND });
  private readonly done = new Set<string>();

  static async open(): Promise<Scene> {
    const scene = new Scene();
    await scene.world.startNode();
    await scene.world.define(rows);
    return scene;
  }

  /** Stores lines, in pieces of a few, and starts a run over them. */
  async start(runId: string, lines: readonly string[]): Promise<void> {
    const pieces = (async function* () {
      for (let at = 0; at < lines.length; at += 3) yield utf8(`${lines.slice(at, at + 3).join("\n")}\n`);
    })();
    const ref = await this.world.payloads.putStream(pieces);
    const sha256 = Buffer.from(ref.sha256).toString("hex");
    const input = { file: { $artifact: { name: `${runId}.jsonl`, size: Number(ref.size), sha256 } } };
    const command = startRunCommand({
      runId,
      workflow: "rows",
      input: init(PayloadSchema, { body: { case: "inline", value: utf8(JSON.stringify(input)) } }),
    });
    await this.world.until(this.world.commands.submit(partitionOf(runId, this.world.partitions), command));
  }

  /** Lets a worker do what it has, until nothing new comes. */
  async work(worker: TestWorker): Promise<void> {
    for (let quiet = 0; quiet < 5; ) {
      const fresh = worker.tasks.filter(
        (task) => !this.done.has(`${task.runId}/${task.item}/${task.attempt}`),
      );
      quiet = fresh.length === 0 ? quiet + 1 : 0;
      for (const task of fresh) {
        this.done.add(`${task.runId}/${task.item}/${task.attempt}`);
        await this.world.until(worker.succeed(task));
      }
      worker.beat();
      await this.world.clock.advance(200);
    }
  }

  async view(runId: string): Promise<RunView> {
    return await this.world.until(this.world.queries.getRun(runId));
  }
}

const lines = (count: number, of = "row"): string[] =>
  Array.from({ length: count }, (_, n) => JSON.stringify({ of, n }));

test("every line is one item, in order, however many chunks they come in", async () => {
  const scene = await Scene.open();
  const worker = new TestWorker(scene.world, "w", 100);
  await scene.start("r", lines(35));
  await scene.work(worker);
  const { summary, actions } = await scene.view("r");
  expect(RunStatus[summary?.status ?? 0]).toBe("COMPLETED");
  expect(actions[0]?.items).toMatchObject({ total: 35, succeeded: 35 });
  const inputs = worker.tasks
    .toSorted((a, b) => (a.item ?? 0) - (b.item ?? 0))
    .map(({ itemInput }) => {
      const body = itemInput?.body;
      return body?.case === "inline"
        ? (JSON.parse(Buffer.from(body.value).toString()) as { n: number }).n
        : -1;
    });
  expect(inputs).toEqual(Array.from({ length: 35 }, (_, n) => n));
});

test("a new owner goes on where the one before it died: no line is lost, none is an item twice", async () => {
  const scene = await Scene.open();
  const { world } = scene;
  // The store hangs in the middle of the file, once: the first owner gets no further.
  const getStream = world.payloads.getStream.bind(world.payloads);
  let reads = 0;
  world.payloads.getStream = async function* (ref) {
    const first = ++reads === 1;
    let pieces = 0;
    for await (const piece of getStream(ref)) {
      if (first && ++pieces > 7) await new Promise(() => undefined);
      yield piece;
    }
  };
  await scene.start("r", lines(60));
  await world.clock.advance(1_000);
  const before = await scene.view("r");
  const loaded = before.actions[0]?.items?.total ?? 0;
  expect(loaded).toBeGreaterThan(0);
  expect(loaded).toBeLessThan(60);
  await world.until(world.node?.stop() ?? Promise.resolve());
  await world.startNode();
  const worker = new TestWorker(world, "w", 100);
  await scene.work(worker);
  const { summary, actions } = await scene.view("r");
  expect(RunStatus[summary?.status ?? 0]).toBe("COMPLETED");
  expect(actions[0]?.items).toMatchObject({ total: 60, succeeded: 60 });
  expect(reads).toBe(2);
});

test("a store that is away for a while delays a load and nothing else", async () => {
  const scene = await Scene.open();
  const { world } = scene;
  const getStream = world.payloads.getStream.bind(world.payloads);
  let failures = 3;
  world.payloads.getStream = async function* (ref) {
    let pieces = 0;
    for await (const piece of getStream(ref)) {
      if (failures > 0 && ++pieces > 7) {
        failures -= 1;
        throw new PortError("unavailable", "NATS is away");
      }
      yield piece;
    }
  };
  await scene.start("r", lines(40));
  await scene.work(new TestWorker(world, "w", 100));
  const { summary, actions } = await scene.view("r");
  expect(RunStatus[summary?.status ?? 0]).toBe("COMPLETED");
  expect(actions[0]?.items).toMatchObject({ total: 40, succeeded: 40 });
  expect(failures).toBe(0);
});

test("a list that hangs holds up no other", async () => {
  const scene = await Scene.open();
  const { world } = scene;
  const getStream = world.payloads.getStream.bind(world.payloads);
  let hang = true;
  world.payloads.getStream = async function* (ref) {
    if (hang) {
      hang = false;
      await new Promise(() => undefined);
    }
    yield* getStream(ref);
  };
  const sameHome = Array.from({ length: 20 }, (_, n) => `r${n}`).filter(
    (runId) => partitionOf(runId, world.partitions) === 0,
  );
  const [stuck = "", other = ""] = sameHome;
  await scene.start(stuck, lines(5, "stuck"));
  await scene.start(other, lines(5, "other"));
  await scene.work(new TestWorker(world, "w", 100));
  expect(RunStatus[(await scene.view(other)).summary?.status ?? 0]).toBe("COMPLETED");
  expect(RunStatus[(await scene.view(stuck)).summary?.status ?? 0]).toBe("RUNNING");
});

test("a line that is wrong fails its action by name, and what had succeeded is told", async () => {
  const scene = await Scene.open();
  const worker = new TestWorker(scene.world, "w", 100);
  await scene.start("r", [...lines(25), "{oops"]);
  await scene.work(worker);
  const { summary, actions } = await scene.view("r");
  expect(RunStatus[summary?.status ?? 0]).toBe("FAILED");
  expect(ActionStatus[actions[0]?.status ?? 0]).toBe("FAILED");
  expect(actions[0]?.failure).toMatchObject({ mode: FailureMode.VALIDATION });
  expect(actions[0]?.failure?.message).toMatch(/^line 26 of artifact r\.jsonl is not usable JSON/);
  const counts = actions[0]?.items;
  // Of the chunk that holds the line no item was begun.
  expect(counts?.total).toBe(20);
  expect((counts?.succeeded ?? 0) + (counts?.cancelled ?? 0)).toBe(20);
});
