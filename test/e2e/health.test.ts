/** Live, ready and healthy, from before a node is connected until it has ended; the same of the admin service. */
import { createServer, type AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { System } from "../support/system.js";
import { until } from "../support/wait.js";

let system: System;
afterEach(() => system.stop());

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Status and text of an answer; undefined where nobody listens. */
async function ask(url: string): Promise<{ status: number; text: string } | undefined> {
  try {
    const answer = await fetch(url);
    return { status: answer.status, text: await answer.text() };
  } catch {
    return undefined;
  }
}

const says = (url: string, status: number, text: string | RegExp) =>
  until(`${url} to say ${status} ${text}`, async () => {
    const answer = await ask(url);
    return answer?.status === status && answer.text.search(text) >= 0;
  });

test("a node can be asked while it waits for NATS, while it works, and while it drains", async () => {
  system = await System.start({ node: false });
  await system.stopServer();
  const url = `http://127.0.0.1:${await freePort()}`;
  const starting = system.startNode({ HOLDFAST_METRICS_PORT: url.slice(url.lastIndexOf(":") + 1) });
  await says(`${url}/readyz`, 503, "connecting to NATS");
  expect((await ask(`${url}/livez`))?.status).toBe(200);
  await system.startServer();
  const node = await starting;
  await says(`${url}/readyz`, 200, "working");
  await says(`${url}/healthz`, 200, "acting");

  // The server stands still, so that the last word takes a while.
  system.pauseServer();
  const stopped = node.stop();
  await says(`${url}/readyz`, 503, "draining");
  expect((await ask(`${url}/livez`))?.status).toBe(200);
  system.goOnServer();
  expect(await stopped).toEqual({ code: 0, signal: null });
  expect(await ask(`${url}/livez`)).toBeUndefined();
});

test("the admin service tells that NATS is away, and that it is back", async () => {
  system = await System.start();
  const admin = await system.startAdmin();
  const line = system.children.at(-1)?.lines.find((one) => one.includes("metrics on"));
  const url = /metrics on (\S+)\/metrics/.exec(line ?? "")?.[1] ?? "";
  await says(`${url}/healthz`, 200, "isConnected");
  await system.stopServer();
  await says(`${url}/healthz`, 503, '"isConnected":false');
  await system.startServer();
  await says(`${url}/readyz`, 200, "isConnected");
  expect((await admin.call.describeCluster({})).partitions.length).toBeGreaterThan(0);
});
