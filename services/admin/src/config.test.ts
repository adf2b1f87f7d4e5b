/** Settings: the defaults are safe, a wrong one is named. */
import { expect, it } from "vitest";
import { readConfig } from "./config.js";

it("by default listens on the loopback address only, without TLS", () => {
  expect(readConfig({})).toEqual({
    nats: { servers: ["nats://127.0.0.1:4222"], access: {}, replicas: undefined, waitMs: 60_000 },
    address: "127.0.0.1:7460",
    tls: undefined,
    metricsPort: 0,
    metricsHost: "127.0.0.1",
    logLevel: "info",
  });
});

it("takes several servers, an address and TLS files", () => {
  const config = readConfig({
    HOLDFAST_NATS_URL: "nats://a:4222, nats://b:4222",
    HOLDFAST_ADMIN_ADDRESS: "[::1]:0",
    HOLDFAST_METRICS_HOST: "0.0.0.0",
    HOLDFAST_ADMIN_TLS_CERT: "/c.pem",
    HOLDFAST_ADMIN_TLS_KEY: "/k.pem",
  });
  expect(config).toMatchObject({
    nats: { servers: ["nats://a:4222", "nats://b:4222"] },
    address: "[::1]:0",
    metricsHost: "0.0.0.0",
  });
  expect(config.tls).toEqual({ cert: "/c.pem", key: "/k.pem" });
});

it.each([
  [{ HOLDFAST_ADMIN_ADDRESS: "7460" }, "HOLDFAST_ADMIN_ADDRESS"],
  [{ HOLDFAST_ADMIN_ADDRESS: "host:70000" }, "HOLDFAST_ADMIN_ADDRESS"],
  [{ HOLDFAST_METRICS_PORT: "-1" }, "HOLDFAST_METRICS_PORT"],
  [{ HOLDFAST_LOG_LEVEL: "loud" }, "HOLDFAST_LOG_LEVEL"],
  [{ HOLDFAST_ADMIN_TLS_CERT: "/c.pem" }, "HOLDFAST_ADMIN_TLS_KEY"],
])("names what is wrong in %j", (env, name) => {
  expect(() => readConfig(env)).toThrow(name);
});
