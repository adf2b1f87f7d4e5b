/** A whole Holdfast on this machine: it answers, it stops, it finds its data again. On a real nats-server and real LevelDB. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createWorker, Holdfast, workflow } from "@holdfast/sdk";
import { silentLogger } from "@holdfast/telemetry";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createContext } from "../context.js";
import { publishPlainly } from "../demo/publish-plainly.js";
import type { CliIo } from "../io.js";
import { VERSION } from "../version.js";
import { portOrAny } from "./free-port.js";
import { natsServersOn } from "./server-processes.js";
import { type LocalHoldfast, type LocalOptions, startLocalHoldfast } from "./holdfast.js";

let folder: string;
const started: LocalHoldfast[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-local-"));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((holdfast) => holdfast.stop()));
  await rm(folder, { recursive: true, force: true });
});

async function start(ports: Partial<LocalOptions["ports"]> = {}): Promise<LocalHoldfast> {
  const holdfast = await startLocalHoldfast({
    dataDir: folder,
    natsUrl: undefined,
    ports: { nats: 0, admin: 0, metrics: 0, ...ports },
    logger: silentLogger,
  });
  started.push(holdfast);
  return holdfast;
}

const silentIo: CliIo = {
  write: () => undefined,
  writeError: () => undefined,
  stdout: { isTTY: false },
  stderr: { isTTY: false },
  env: {},
  nowMs: () => Date.now(),
  readStdin: async () => "",
  interrupted: new AbortController().signal,
};

const asked = (holdfast: LocalHoldfast) => createContext(silentIo, { admin: holdfast.adminAddress });

it("answers over gRPC and HTTP, runs work, and finds it again after a restart", async () => {
  const first = await start();
  const cluster = await asked(first).withAdmin((admin) => admin.describeCluster({}));
  expect(cluster.partitions).toHaveLength(first.partitions);
  expect(cluster.partitions.filter(({ problem }) => problem !== "")).toEqual([]);
  expect(cluster.version).toBe(VERSION);
  expect((await fetch(`${first.metricsUrl}/healthz`)).status).toBe(200);
  expect(await (await fetch(`${first.metricsUrl}/metrics`)).text()).toContain("holdfast_ready_tasks");

  const connection = await Holdfast.connect({ url: first.natsUrl });
  const double = workflow("double").action("double", ({ input }) => Number(input) * 2);
  const worker = await createWorker({ connection, workflows: [double] });
  const run = await connection.start(double, 21, { runId: "kept" });
  expect(await run.result()).toBe(42);
  await worker.stop();
  await connection.close();
  await first.stop();
  expect((await readdir(folder)).toSorted()).toEqual(["nats", "node"]);

  const second = await start();
  const { run: kept } = await asked(second).withAdmin((admin) => admin.getRun({ runId: "kept" }));
  expect(kept?.summary?.workflow).toBe("double");
});

it("counts by Prometheus' conventions what the documentation says", async () => {
  const { metricsUrl } = await start();
  const text = await (await fetch(`${metricsUrl}/metrics`)).text();
  const kinds = new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => [name ?? "", kind ?? ""]),
  );
  const shown = [...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(
    ([, name = "", help]) => `| \`${name}\` | ${kinds.get(name)} | ${help} |`,
  );
  for (const [name, kind] of kinds) {
    expect(name).toMatch(/^holdfast(_[a-z]+)+$/);
    expect([name, name.endsWith("_total")]).toEqual([name, kind === "counter"]);
  }
  for (const row of shown) expect(row).not.toMatch(/\. \|$| \|  \|/);
  const docs = await readFile(join(import.meta.dirname, "../../../../docs/operating.md"), "utf8");
  expect(docs.split("\n").filter((line) => line.startsWith("| `holdfast_"))).toEqual(shown.toSorted());
});

it("says which part could not start, and leaves nothing running", async () => {
  const first = await start();
  const taken = Number(first.adminAddress.split(":").at(-1));
  const other = await mkdtemp(join(tmpdir(), "holdfast-local-"));
  const failing = (natsUrl: string | undefined) =>
    startLocalHoldfast({
      dataDir: other,
      natsUrl,
      ports: { nats: 0, admin: taken, metrics: 0 },
      logger: silentLogger,
    });
  await expect(failing(undefined)).rejects.toThrow(/^the admin service could not start: .*127\.0\.0\.1/);
  await expect(failing(first.natsUrl)).rejects.toThrow(
    /^the workflow node could not start: node node-\w+ .*is alive/,
  );
  expect(first.warnings()).toEqual([]);
  await rm(other, { recursive: true, force: true });
});

it("takes another port where the usual one is taken", async () => {
  const first = await start();
  const taken = Number(new URL(first.natsUrl).port);
  expect(await portOrAny(taken)).toBe(0);
  await first.stop();
  expect(await portOrAny(taken)).toBe(taken);
});

it("tells a plain publisher what became of its message", async () => {
  const { natsUrl } = await start();
  const body = Buffer.from("{}");
  const stored = await publishPlainly(natsUrl, { subject: "holdfast.work.nobody", body, headers: {} });
  expect(stored.seq).toBeGreaterThan(0);
  await expect(publishPlainly(natsUrl, { subject: "elsewhere", body, headers: {} })).rejects.toThrow(
    "elsewhere was not published: no stream takes this subject",
  );
  const large = Buffer.alloc(64 * 1024 * 1024);
  await expect(
    publishPlainly(natsUrl, { subject: "holdfast.work.nobody", body: large, headers: {} }),
  ).rejects.toThrow("max_payload");
  await expect(publishPlainly("nats://127.0.0.1:1", { subject: "x", body, headers: {} })).rejects.toThrow(
    "ECONNREFUSED",
  );
});

it("tells that its nats-server is gone", async () => {
  const holdfast = await start();
  const pids = await natsServersOn(folder);
  expect(pids).toHaveLength(1);
  for (const pid of pids) process.kill(pid, "SIGKILL");
  expect(await holdfast.failed).toContain("ended by itself");
});
