/** What nobody awaits ends no process: each case is a process of its own, that would die of it. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";

/** Each starts processes, which takes its time on a busy machine. */
const LONG_MS = 120_000;
const run = promisify(execFile);
const folders: string[] = [];

afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

/** Runs a program in a process of its own. Resolves with what it printed; rejects where it died of something. */
async function processOf(body: string): Promise<string> {
  const folder = await mkdtemp(join(import.meta.dirname, ".handed-out-"));
  folders.push(folder);
  const program = join(folder, "program.ts");
  await writeFile(
    program,
    `import { ActionError, createWorker, Holdfast, jsonLines, typed, workflow } from "../index.js";
import { startTestCluster } from "../testing/index.js";
const lines: string[] = [];
const logger: any = {
  isEnabled: () => false, child: () => logger, trace() {}, debug() {}, info() {},
  warn: (message: string, fields: unknown) => lines.push(message + " " + JSON.stringify(fields)),
  error: (message: string, fields: unknown) => lines.push(message + " " + JSON.stringify(fields)),
};
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const cluster = await startTestCluster({ logger });
const { holdfast } = cluster;
const once = { retry: { maxAttempts: 1 } } as const;
${body}
`,
  );
  const { stdout } = await run(process.execPath, ["--import", "tsx", program], { timeout: LONG_MS });
  return stdout;
}

/** Handlers that leave something behind, one after the other, beside a run of another workflow that must complete. */
const besideAnother = (handlers: readonly string[]): string => `
let open: () => void = () => undefined;
const opened = new Promise<void>((resolve) => { open = resolve; });
const careless = [${handlers.join(",\n")}].map((handler: any, at) =>
  workflow("careless-" + at).action("act", once, handler));
const other = workflow("other").action("act", { queue: "other" }, async () => { await opened; await pause(50); return "alive"; });
const workers = [
  await createWorker({ connection: holdfast, workflows: [other] }),
  await createWorker({ connection: holdfast, workflows: careless }),
];
const beside = await holdfast.start(other, null);
for (const flow of careless) {
  await (await holdfast.start(flow, null as never, { runId: "of-" + flow.name })).ended();
  await pause(50);
}
open();
console.log(await beside.result());
for (const worker of workers) await worker.stop();
await cluster.close();
for (const line of lines) console.log(line);
`;

const HOSTILE = `new Proxy({}, {
  get() { throw new Error("hands off"); },
  has() { throw new Error("hands off"); },
  getPrototypeOf() { throw new Error("hands off"); },
})`;

describe("a handler", { timeout: LONG_MS }, () => {
  it("may leave alone what its context hands out, and return what can't be looked at", async () => {
    const printed = await processOf(
      besideAnother([
        `async (_: unknown, ctx: any) => {
          const upload = ctx.step("upload", async () => { await pause(10); throw new Error("no upload"); });
          await ctx.step("check", () => { throw new ActionError("VALIDATION", "bad"); });
          await upload;
        }`,
        `(_: unknown, ctx: any) => { void ctx.step("late", async () => { await pause(5); throw new Error("late"); }); }`,
        `(_: unknown, ctx: any) => { setTimeout(() => void ctx.step("later", () => 1), 10); return 1; }`,
        `(_: unknown, ctx: any) => {
          void ctx.putArtifact("/no/such/file");
          void ctx.putArtifact(7);
          void ctx.readArtifact({}).next();
          void ctx.step("", () => 1);
          return 1;
        }`,
        `() => ${HOSTILE}`,
        `async () => [${HOSTILE}]`,
      ]),
    );
    expect(printed).toMatch(/^alive\n/);
    expect(printed).not.toContain("nobody awaits it");
    // What was dropped is told.
    expect(printed).toMatch(/a handler returned while steps of it were under way.*"of-careless-1".*"late"/);
    expect(printed).toMatch(/a step failed after its attempt had ended/);
  });

  it("may make promises of its own that reject: they are told of, with the run where it can be known", async () => {
    const printed = await processOf(
      besideAnother([
        `() => { void Promise.reject(new Error("stray one")); return 1; }`,
        `() => { void Promise.reject(); return 1; }`,
        `(_: unknown, ctx: any) => { void ctx.step("bad", () => { throw new Error("stray two"); }).then(() => 1); return 1; }`,
      ]),
    );
    expect(printed).toMatch(/^alive\n/);
    expect(printed.match(/nobody awaits it/g)).toHaveLength(3);
    expect(printed).toMatch(/nobody awaits it.*"run":"of-careless-2","action":"act","attempt":1/);
  });
});

it("an undo, a recovery and a job may be as careless", { timeout: LONG_MS }, async () => {
  const printed = await processOf(`
const left = (ctx: any) => { void ctx.step("late", async () => { await pause(5); throw new Error("late"); }); };
const undone = workflow("undone")
  .action("one", once, () => 1, { undo: (_, ctx) => left(ctx) })
  .action("two", { after: ["one"], ...once }, () => { throw new ActionError("VALIDATION", "no"); });
const recovered = workflow("recovered").action("one", once, () => { throw new Error("no"); }, {
  recover: (_, __, ctx) => { left(ctx); return 2 as never; },
});
const job = workflow("job").batch("one", once, {
  submit: (_, ctx) => { left(ctx); void ctx.runInput(); return "job"; },
  check: (_, ctx) => { left(ctx); return { done: true, output: 3 }; },
  cancel: (_, ctx) => { left(ctx); throw new Error("no cancel"); },
});
const worker = await createWorker({ connection: holdfast, workflows: [undone, recovered, job] });
for (const flow of [undone, recovered, job]) await (await holdfast.start(flow as never, null as never)).ended();
await pause(50);
await worker.stop();
await cluster.close();
console.log("alive");
`);
  expect(printed).toContain("alive");
});

it("what a client hands out may be left alone", { timeout: LONG_MS }, async () => {
  const printed = await processOf(`
const bad = workflow("bad").action("act", once, () => { throw new ActionError("VALIDATION", "no"); });
const worker = await createWorker({ connection: holdfast, workflows: [bad] });
await worker.stop();
const client = cluster.client();
const run = await client.start(bad, null);
void run.result();
void run.ended();
const never = await client.start(bad, null, { startAt: new Date(Date.now() + 1e9) });
void never.result();
void client.start("nothing", null);
void client.start(bad, 1n as never);
void client.start(bad, null, { runId: "no id!" });
void client.wait("nobody");
void client.get("nobody");
void client.items("nobody");
void client.list({ pageToken: "?" });
void client.failure("nobody");
void client.retry("nobody");
void client.cancel("nobody", { grace: "soon" as never });
void client.pause("nobody");
void client.resume("nobody");
void client.signal("nobody", "x", 1n);
void client.approve("nobody");
void client.reject("nobody");
void client.discard("nobody", { reason: "" });
void client.moveToDeadLetters("nobody");
void client.putArtifact("/no/such/file");
void client.readArtifact({} as never).next();
void client.schedules.create("a", { workflow: bad, cron: "?" });
void client.schedules.put("a b", { workflow: bad, cron: "?" });
void client.schedules.get("nobody");
void client.schedules.trigger("nobody");
void client.schedules.pause("nobody");
void client.schedules.resume("nobody");
void client.schedules.delete("nobody");
void client.schedules.list({ pageToken: "?" } as never);
void client.bulk.retry({} as never);
void client.bulk.cancel({} as never);
void client.bulk.get("nobody");
void client.bulk.abort("nobody");
void client.bulk.list({ limit: -1 });
const operation = client.bulk.operation("nobody");
void operation.ended();
void operation.results().next();
void operation.progress().next();
void operation.get();
void createWorker({ connection: client, workflows: [] });
void startTestCluster({ partitions: -1 });
void cluster.run("nothing" as never, null as never);
void cluster.advance("soon" as never);
void Holdfast.connect({ url: "nats://127.0.0.1:1" });
await pause(300);
void client.close();
void client.start(bad, null);
void client.get("nobody");
await pause(300);
await cluster.close();
console.log("alive");
process.exit(0);
`);
  expect(printed).toContain("alive");
});
