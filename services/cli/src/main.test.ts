/** The `holdfast` process as people start and end it: signals, pipes, exit codes. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { natsServersOn } from "./local/server-processes.js";
import { startModule } from "./sample-process.js";

const main = join(dirname(fileURLToPath(import.meta.url)), "main.ts");
let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-main-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

function start(...args: string[]): Started {
  return startWith({}, ...args);
}

function startWith(env: Readonly<Record<string, string>>, ...args: string[]): Started {
  const child = startModule(main, args, { env: { ...process.env, ...env }, streams: "pipe" });
  children.push(child);
  let text = "";
  const collect = (chunk: Buffer): void => {
    text += chunk.toString("utf8");
  };
  child.stdout?.on("data", collect);
  child.stderr?.on("data", collect);
  const ended = once(child, "exit").then(([code]) => code as number | null);
  return { child, output: () => text, ended };
}

async function startDev(): Promise<Started> {
  const dev = start("dev", "--data", folder, "--nats-port", "0", "--admin-port", "0", "--metrics-port", "0");
  await expect.poll(dev.output, { interval: 50 }).toContain("Ctrl-C stops it.");
  return dev;
}

const natsServers = () => natsServersOn(folder);

it("dev prints its ports, and one Ctrl-C stops all of it in order", async () => {
  const dev = await startDev();
  for (const place of [
    /NATS +nats:\/\/127\.0\.0\.1:\d+/,
    /gRPC +127\.0\.0\.1:\d+/,
    /metrics +http:\/\/127\.0\.0\.1:\d+/,
  ]) {
    expect(dev.output()).toMatch(place);
  }
  expect(await natsServers()).toHaveLength(1);
  dev.child.kill("SIGINT");
  expect(await dev.ended).toBe(0);
  expect(dev.output()).toContain("Stopped.");
  expect(await natsServers()).toEqual([]);
});

it("dev takes a Ctrl-C that arrives twice, as under npm, for one", async () => {
  const dev = await startDev();
  dev.child.kill("SIGINT");
  await sleep(20);
  dev.child.kill("SIGINT");
  expect(await dev.ended).toBe(0);
  expect(dev.output()).toContain("Stopped.");
});

it("dev exits 1 and says so when its nats-server fails", async () => {
  const dev = await startDev();
  for (const pid of await natsServers()) process.kill(pid, "SIGKILL");
  expect(await dev.ended).toBe(1);
  expect(dev.output()).toContain("ended by itself");
});

it("dev exits 1 where a part can't start, and names it", async () => {
  const taken = await startDev();
  const second = start(
    "dev",
    "--data",
    folder,
    "--nats-port",
    "0",
    "--admin-port",
    "0",
    "--metrics-port",
    "0",
  );
  expect(await second.ended).toBe(1);
  expect(second.output()).toContain("holdfast: NATS could not start");
  taken.child.kill("SIGINT");
  expect(await taken.ended).toBe(0);
});

it("a usage error exits 2, and a reader that goes away is no error", async () => {
  const wrong = start("runs", "--limit", "many");
  expect(await wrong.ended).toBe(2);
  const help = start("--help");
  help.child.stdout?.destroy();
  expect(await help.ended).toBe(0);
});

it("dev refuses a setting that it can't read before it starts anything", async () => {
  const dev = startWith({ HOLDFAST_STUCK_AFTER: "5" }, "dev", "--data", folder);
  expect(await dev.ended).toBe(2);
  expect(dev.output()).toContain('HOLDFAST_STUCK_AFTER is "5"; use 10s to 30d');
});
