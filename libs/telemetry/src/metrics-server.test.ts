import { afterEach, describe, expect, test } from "vitest";
import { createRegistry } from "./metrics.js";
import { type Health, type MetricsServer, startMetricsServer } from "./metrics-server.js";

let server: MetricsServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start(
  health: () => Health | Promise<Health> = () => ({ ok: true }),
  ready?: () => Health | Promise<Health>,
): Promise<string> {
  const registry = createRegistry();
  registry.counter({ name: "ticks_total", help: "Ticks." }).inc(4);
  server = await startMetricsServer({ registry, health, ...(ready === undefined ? {} : { ready }) });
  return server.url;
}

describe("the metrics server", () => {
  test("answers /metrics in Prometheus' content type", async () => {
    const response = await fetch(`${await start()}/metrics?any=query`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await response.text()).toContain("ticks_total 4\n");
  });

  test("answers /healthz with 200 and the details while all is well", async () => {
    const url = await start(() => ({ ok: true, details: { partitions: 16 } }));
    const response = await fetch(`${url}/healthz`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ ok: true, details: { partitions: 16 } });
  });

  test("answers /healthz with 503 when it is not, and when the check itself fails", async () => {
    let health: () => Promise<Health> = async () => ({ ok: false });
    const url = await start(() => health());
    expect((await fetch(`${url}/healthz`)).status).toBe(503);
    health = () => Promise.reject(new Error("no answer from NATS"));
    const response = await fetch(`${url}/healthz`);
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("no answer from NATS");
  });

  test("tells live, ready and healthy apart", async () => {
    const url = await start(
      () => ({ ok: false, details: { problems: ["a log is full"] } }),
      () => ({ ok: true, details: { phase: "working" } }),
    );
    const asked = ["livez", "readyz", "healthz"].map(async (path) => (await fetch(`${url}/${path}`)).status);
    expect(await Promise.all(asked)).toEqual([200, 200, 503]);
    expect(await (await fetch(`${url}/readyz`)).text()).toContain("working");
  });

  test("is as ready as it is healthy where nothing else was said", async () => {
    const url = await start(() => ({ ok: false }));
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
  });

  test("listens where it is told to", async () => {
    server = await startMetricsServer({
      registry: createRegistry(),
      health: () => ({ ok: true }),
      host: "0.0.0.0",
    });
    expect(server.url).toBe(`http://0.0.0.0:${server.port}`);
    expect((await fetch(`http://127.0.0.1:${server.port}/livez`)).status).toBe(200);
  });

  test("answers HEAD without a body, other methods with 405, other paths with 404", async () => {
    const url = await start();
    expect(await (await fetch(`${url}/metrics`, { method: "HEAD" })).text()).toBe("");
    expect((await fetch(`${url}/metrics`, { method: "POST" })).status).toBe(405);
    expect((await fetch(`${url}/`)).status).toBe(404);
  });

  test("says which port is in use", async () => {
    await start();
    const second = startMetricsServer({
      registry: createRegistry(),
      health: () => ({ ok: true }),
      port: server?.port ?? 0,
    });
    await expect(second).rejects.toThrow(`127.0.0.1:${server?.port} is in use`);
  });
});
