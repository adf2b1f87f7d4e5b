/**
 * A value is handed on as it came: its bytes are the same for handler, ledger, snapshot, gathering, child and retry, whatever numbers,
 * escapes and white space are in it, and however large what it came in is.
 */
import { create } from "@bufbuild/protobuf";
import { fromUtf8, INLINE_PAYLOAD_BYTES_MAX, partitionOf, utf8 } from "@holdfast/core";
import { anyJsonText } from "@holdfast/core/testing/json-texts";
import {
  Effect,
  FailureMode,
  type Payload,
  PayloadSchema,
  RunStatus,
  type Task,
  TaskSuccessSchema,
  WorkflowDefinitionSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { assert, array, property, sample } from "fast-check";
import { describe, expect, test } from "vitest";
import { retryRunCommand, startRunCommand } from "../client/index.js";
import { TestWorker, TestWorld } from "../dispatch/testing.js";

const retry = { maxAttempts: 2, initialBackoffMs: 1 };
const flow = (name: string, source: "inputPointer" | "linesOfInput") =>
  create(WorkflowDefinitionSchema, {
    name,
    actions: [
      { name: "each", forEach: { source: { case: source, value: "/rows" }, window: 1_000 }, retry },
      { name: "next", forEach: { source: { case: "itemsOf", value: "each" }, window: 1_000 }, retry },
      { name: "all", after: ["each"], retry },
      { name: "child", child: { workflow: "inner", input: { case: "inputPointer", value: "/one" } } },
    ],
  });
const inner = create(WorkflowDefinitionSchema, { name: "inner", actions: [{ name: "whole", retry }] });

const bodyOf = (payload: Payload | undefined): string | undefined =>
  payload?.body.case === "inline" ? fromUtf8(payload.body.value) : payload?.body.case;
const trimmed = (text: string): string => text.replace(/^[ \n\r\t]+|[ \n\r\t]+$/g, "");
const inline = (text: string): Payload =>
  init(PayloadSchema, { body: { case: "inline", value: utf8(text) } });

class Scene {
  readonly world = new TestWorld();
  readonly worker = new TestWorker(this.world, "w", 10_000);
  /** Of each task what its handler is given, by action; every attempt of it. */
  readonly given = new Map<string, string[]>();
  readonly #done = new Set<string>();

  static async open(): Promise<Scene> {
    const scene = new Scene();
    await scene.world.startNode();
    for (const definition of [flow("arrays", "inputPointer"), flow("lines", "linesOfInput"), inner])
      await scene.world.define(definition);
    scene.worker.beat();
    return scene;
  }

  async start(workflow: string, runId: string, input: Payload): Promise<string | undefined> {
    const command = startRunCommand({ workflow, runId, input });
    const partition = partitionOf(runId, this.world.partitions);
    const { result } = await this.world.until(this.world.commands.submit(partition, command));
    return result.case;
  }

  /** What a handler is given goes back as its output; first attempts of items fail, the first item's whenever `broken`. */
  async work(broken: boolean): Promise<void> {
    for (let quiet = 0; quiet < 6; ) {
      const fresh = this.worker.tasks.filter((task) => !this.#done.has(keyOf(task)));
      quiet = fresh.length === 0 ? quiet + 1 : 0;
      await this.world.until(Promise.all(fresh.map((task) => this.#answer(task, broken))));
      this.worker.beat();
      await this.world.clock.advance(200);
    }
  }

  async #answer(task: Task, broken: boolean): Promise<void> {
    this.#done.add(keyOf(task));
    const upstream = task.upstream.find(({ name }) => name === "each")?.payload;
    const value = task.item === undefined ? (upstream ?? task.input) : task.itemInput;
    const place = `${task.actionName} ${task.item ?? ""}`.trim();
    this.given.set(place, [...(this.given.get(place) ?? []), bodyOf(value) ?? ""]);
    if (task.item === 0 && broken) await this.worker.fail(task, FailureMode.VALIDATION, "not this one");
    else if (task.item !== undefined && task.attempt === 1)
      await this.worker.fail(task, FailureMode.NETWORK, "once more");
    else
      await this.worker.report(task, {
        case: "success",
        value: init(TaskSuccessSchema, { effect: Effect.VALUE, output: value }),
      });
  }
}

const keyOf = ({ runId, action, item, attempt }: Task): string => `${runId} ${action} ${item} ${attempt}`;

/** Of rows and one more value: what becomes of them in a run. */
async function throughout(
  scene: Scene,
  runId: string,
  rows: readonly string[],
  one: string,
): Promise<string | undefined> {
  const { world, given } = scene;
  await scene.work(true);
  const id = { runId, who: "test", reason: "mended", id: `retry-${runId}`, nowMs: world.clock.nowMs() };
  const partition = partitionOf(runId, world.partitions);
  const ledger = await world.until(world.queries.listItems(runId, { action: "each" }));
  expect(ledger.items.map(({ inputSnapshot }) => inputSnapshot)).toEqual(rows);
  expect(ledger.items.slice(1).map(({ output }) => bodyOf(output))).toEqual(rows.slice(1));
  expect(given.get("all")).toEqual([`[${rows.slice(1).join(",")}]`]);
  const { result } = await world.until(world.commands.submit(partition, retryRunCommand(id)));
  expect(result).toMatchObject({ case: "accepted" });
  await scene.work(false);
  rows.forEach((row, item) => {
    expect(new Set(given.get(`each ${item}`))).toEqual(new Set([row]));
    expect(new Set(given.get(`next ${item}`))).toEqual(new Set([row]));
  });
  expect(given.get("all")?.at(-1)).toBe(`[${rows.join(",")}]`);
  expect(given.get("whole")).toEqual([one]);
  const view = await world.until(world.queries.getRun(runId));
  return RunStatus[view.summary?.status ?? 0];
}

const [FEW, MANY] = [12, 40];
const BIG =
  ' {"n":9007199254740993, "e" : 1e400,"z":-0,"d":0.10000000000000000000000000000001, "s":"\\ud800\\u0041"}\t';

describe.each(
  sample(array(anyJsonText(), { minLength: 2, maxLength: 8 }), FEW).map((texts, n) => ({
    n: `${n + 1}`,
    texts,
  })),
)("texts drawn, no. $n", ({ texts }) => {
  const rows = [BIG, ...texts];
  const one = texts.at(-1) ?? "";
  test("in an array of the input", async () => {
    const scene = await Scene.open();
    await scene.start("arrays", "r", inline(`{"rows": [${rows.join(",")}],"one":${one}}`));
    expect(await throughout(scene, "r", rows.map(trimmed), trimmed(one))).toBe("COMPLETED");
  });

  test("in an array of an input that is kept by reference", async () => {
    const scene = await Scene.open();
    const pad = `"${"x".repeat(INLINE_PAYLOAD_BYTES_MAX)}"`;
    const text = utf8(`{"rows": [${rows.join(",")}],"pad":${pad}, "one":${one}}`);
    const value = await scene.world.payloads.put(text);
    await scene.start("arrays", "r", init(PayloadSchema, { body: { case: "ref", value } }));
    expect(await throughout(scene, "r", rows.map(trimmed), trimmed(one))).toBe("COMPLETED");
  });

  test("as lines of an artifact", async () => {
    const scene = await Scene.open();
    const lines = rows.map((row) => row.replace(/[\r\n]/g, " "));
    const ref = await scene.world.payloads.put(utf8(`\ufeff${lines.join("\r\n")}`));
    const sha256 = Buffer.from(ref.sha256).toString("hex");
    const file = `{"$artifact":{"name":"r.jsonl","size":${ref.size},"sha256":"${sha256}"}}`;
    await scene.start("lines", "r", inline(`{"rows":${file},"one":${one}}`));
    expect(await throughout(scene, "r", lines.map(trimmed), trimmed(one))).toBe("COMPLETED");
  });
});

test("an output is taken with exactly its bytes, or fails its attempt with the place", async () => {
  const scene = await Scene.open();
  const texts = sample(anyJsonText({ duplicates: true }), MANY);
  await scene.start("arrays", "r", inline(`{"rows":[${texts.map((_, n) => n).join(",")}],"one":1}`));
  await scene.world.clock.advance(400);
  const items = scene.worker.tasks.filter(({ actionName }) => actionName === "each");
  expect(items).toHaveLength(MANY);
  for (const task of items) {
    const output = inline(texts[task.item ?? 0] ?? "");
    const value = init(TaskSuccessSchema, { effect: Effect.VALUE, output });
    await scene.world.until(scene.worker.report(task, { case: "success", value }));
  }
  await scene.world.clock.advance(400);
  const { items: ledger } = await scene.world.until(scene.world.queries.listItems("r", { action: "each" }));
  for (const { index, output, failure } of ledger) {
    if (failure === undefined) expect(bodyOf(output)).toBe(texts[index]);
    else {
      expect(failure.mode).toBe(FailureMode.HANDLER_BUG);
      expect(failure.message).toMatch(
        /can't be kept: it is not usable JSON: the name .* stands twice .*line \d+, column/,
      );
    }
  }
  expect(ledger.some(({ failure }) => failure !== undefined)).toBe(true);
});

test("what is drawn holds what JavaScript's numbers can't", () => {
  let lost = 0;
  assert(
    property(anyJsonText(), (text) => {
      if (JSON.stringify(JSON.parse(text)) !== trimmed(text)) lost += 1;
    }),
  );
  expect(lost).toBeGreaterThan(0);
});
