import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, StorageType } from "nats";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  findNatsServer,
  type ManagedNatsServer,
  type ManagedNatsServerOptions,
  startNatsServer,
} from "./index.js";

let folder: string;
let started: ManagedNatsServer[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-nats-"));
  started = [];
});

afterEach(async () => {
  await Promise.all(started.map((server) => server.stop()));
  await rm(folder, { recursive: true, force: true });
});

async function start(options: Partial<ManagedNatsServerOptions> = {}): Promise<ManagedNatsServer> {
  const server = await startNatsServer({ storeDir: join(folder, "store"), ...options });
  started.push(server);
  return server;
}

/** A process that has ended and only waits for its parent to notice counts as gone. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function endsWithin(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isAlive(pid)) {
    if (performance.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

/** An executable that says it is nats-server `version`, and otherwise does `body`. */
async function fakeServer(version: string, body = "exit 1"): Promise<string> {
  const path = join(folder, "nats-server");
  await writeFile(
    path,
    `#!/bin/sh\nif [ "$1" = --version ]; then echo "nats-server: v${version}"; exit; fi\n${body}\n`,
  );
  await chmod(path, 0o755);
  return path;
}

describe("a managed server", () => {
  test("is ready for JetStream when start resolves, and keeps its data over a restart on the same port", async () => {
    const first = await start();
    const connection = await connect({ servers: first.url });
    const manager = await connection.jetstreamManager();
    await manager.streams.add({ name: "kept", subjects: ["kept"], storage: StorageType.File });
    await connection.jetstream().publish("kept", "value");
    expect(connection.info?.max_payload).toBe(8 * 1024 * 1024);
    await connection.close();
    await first.stop();
    expect(await first.exited).toEqual({ code: 0, expected: true });

    const second = await start({ port: first.port });
    expect(second.port).toBe(first.port);
    const again = await connect({ servers: second.url });
    const info = await (await again.jetstreamManager()).streams.info("kept");
    expect(info.state.messages).toBe(1);
    await again.close();
  });

  test("keeps an acknowledged message when it is killed", async () => {
    const first = await start();
    const connection = await connect({ servers: first.url, reconnect: false });
    const manager = await connection.jetstreamManager();
    await manager.streams.add({ name: "kept", subjects: ["kept"] });
    await connection.jetstream().publish("kept", "value");
    first.kill();
    expect(await first.exited).toEqual({ code: 137, expected: true });
    await connection.closed();

    const second = await start({ port: first.port });
    const again = await connect({ servers: second.url });
    expect((await (await again.jetstreamManager()).streams.info("kept")).state.messages).toBe(1);
    await again.close();
  });

  test("tells an end that nobody asked for", async () => {
    const server = await start();
    process.kill(server.pid, "SIGTERM");
    expect((await server.exited).expected).toBe(false);
    await server.stop(); // Nothing is left to stop, and that is no error.
  });

  test("asks for every append to be synced, on loopback, in its own folder", async () => {
    const server = await start();
    const config = await readFile(join(server.storeDir, "nats-server.conf"), "utf8");
    expect(config).toContain("sync_interval: always");
    expect(config).toContain('host: "127.0.0.1"');
    expect(await readdir(server.storeDir)).toContain("jetstream");
  });

  test("hands over what the server logs", async () => {
    const lines: string[] = [];
    await start({ log: (level, message) => lines.push(`${level} ${message}`) });
    expect(lines).toContain("info Starting nats-server");
  });

  test("several start at once, each on a free port", async () => {
    const servers = await Promise.all(["a", "b", "c"].map((name) => start({ storeDir: join(folder, name) })));
    expect(new Set(servers.map((server) => server.port)).size).toBe(3);
  });
});

describe("refuses, saying what to do,", () => {
  test("a folder that another live server uses, until that one has ended", async () => {
    const first = await start();
    await expect(start()).rejects.toMatchObject({
      code: "store-in-use",
      message: expect.stringContaining(`process id ${first.pid}`),
    });
    expect(isAlive(first.pid)).toBe(true);
    first.kill();
    await first.exited;
    await start();
  });

  test("a port in use", async () => {
    const first = await start();
    const second = start({ storeDir: join(folder, "other"), port: first.port });
    await expect(second).rejects.toMatchObject({ code: "port-in-use", retry: "safe" });
  });

  test("a folder that can't be written to", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(start({ storeDir: join(folder, "file", "store") })).rejects.toMatchObject({
      code: "store-not-writable",
    });
  });

  test("a server that ends at once, with what it said", async () => {
    const serverPath = await fakeServer("2.10.0", "echo the disk is on fire >&2; exit 3");
    await expect(start({ serverPath })).rejects.toMatchObject({
      code: "start-failed",
      message: expect.stringContaining("the disk is on fire"),
    });
  });

  test("a server that never gets ready, and leaves no process", async () => {
    const serverPath = await fakeServer("2.10.0", `echo $$ >"${join(folder, "pid")}"; exec sleep 60`);
    await expect(start({ serverPath, startTimeoutMs: 300 })).rejects.toMatchObject({ code: "start-failed" });
    expect(await endsWithin(Number(await readFile(join(folder, "pid"), "utf8")), 2_000)).toBe(true);
  });
});

describe("the binary", () => {
  test("named by HOLDFAST_NATS_SERVER must start", () => {
    const env = { HOLDFAST_NATS_SERVER: join(folder, "missing") };
    expect(() => findNatsServer({ env })).toThrow(/missing \(from HOLDFAST_NATS_SERVER\) does not start/);
  });

  test("named by HOLDFAST_NATS_SERVER must be 2.10 or newer", async () => {
    const env = { HOLDFAST_NATS_SERVER: await fakeServer("2.9.25") };
    expect(() => findNatsServer({ env })).toThrow(/is version 2\.9\.25; Holdfast needs 2\.10\.0 or newer/);
  });

  test("on PATH is taken when it is new enough", async () => {
    const path = await fakeServer("2.11.3");
    expect(findNatsServer({ env: { PATH: folder } })).toEqual({ path, version: "2.11.3" });
  });
});

describe("the server never outlives its parent", () => {
  /** A Node process that starts a server, prints its pid, and waits. */
  async function parentWithServer() {
    const source = `
      import { startNatsServer } from ${JSON.stringify(new URL("./index.ts", import.meta.url).href)};
      const server = await startNatsServer({ storeDir: ${JSON.stringify(join(folder, "store"))} });
      console.log(server.pid);
      setInterval(() => {}, 1000);
    `;
    const parent = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", source], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(createInterface({ input: parent.stdout }), "line")) as [string];
    return { parent, serverPid: Number(line) };
  }

  test("that is killed with SIGKILL", async () => {
    const { parent, serverPid } = await parentWithServer();
    expect(isAlive(serverPid)).toBe(true);
    parent.kill("SIGKILL");
    expect(await endsWithin(serverPid, 2_000)).toBe(true);
  });

  test("that is ended with SIGTERM", async () => {
    const { parent, serverPid } = await parentWithServer();
    parent.kill("SIGTERM");
    expect(await endsWithin(serverPid, 2_000)).toBe(true);
  });

  test("and ends when its supervisor is killed", async () => {
    const server = await start();
    const status = await readFile(`/proc/${server.pid}/status`, "utf8");
    process.kill(Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]), "SIGKILL");
    expect(await endsWithin(server.pid, 2_000)).toBe(true);
  });
});
