/** How NATS is reached, from the environment: what is right is taken, what is wrong is named. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Environment } from "@holdfast/telemetry";
import { nkeys } from "nats";
import { afterAll, beforeAll, expect, test } from "vitest";
import { natsAuth, natsSettings } from "./settings.js";

let folder: string;
const at = (name: string): string => join(folder, name);
const settings = (variables: Record<string, string>) => natsSettings(new Environment(variables));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-settings-"));
  for (const name of ["ca.pem", "cert.pem", "key.pem", "user.creds"]) await writeFile(at(name), "x");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("by default: one server on this machine, nobody in particular, a minute's patience", () => {
  const { servers, access, replicas, waitMs } = settings({});
  expect([servers, replicas, waitMs]).toEqual([["nats://127.0.0.1:4222"], undefined, 60_000]);
  expect(natsAuth(access)).toEqual({});
});

test("takes servers, files, copies and patience", () => {
  const given = settings({
    HOLDFAST_NATS_URL: "nats://a:4222, nats://b:4222",
    HOLDFAST_NATS_CA: at("ca.pem"),
    HOLDFAST_NATS_CERT: at("cert.pem"),
    HOLDFAST_NATS_KEY: at("key.pem"),
    HOLDFAST_NATS_CREDS: at("user.creds"),
    HOLDFAST_REPLICAS: "3",
    HOLDFAST_START_WAIT: "5m",
  });
  expect(given).toMatchObject({
    servers: ["nats://a:4222", "nats://b:4222"],
    access: {
      credsFile: at("user.creds"),
      tls: { caFile: at("ca.pem"), certFile: at("cert.pem"), keyFile: at("key.pem") },
    },
    replicas: 3,
    waitMs: 300_000,
  });
});

test("an address with tls asks for TLS, with the system's authorities", () => {
  const { access } = settings({ HOLDFAST_NATS_URL: "tls://nats.example:4222" });
  expect(natsAuth(access)).toEqual({ auth: { tls: {} } });
});

test.each([
  [{ HOLDFAST_NATS_CA: "/nowhere/ca.pem" }, /HOLDFAST_NATS_CA is "\/nowhere\/ca\.pem", which can't be read/],
  [{ HOLDFAST_NATS_CREDS: "/nowhere" }, /HOLDFAST_NATS_CREDS/],
  [{ HOLDFAST_NATS_NKEY: "/nowhere" }, /HOLDFAST_NATS_NKEY/],
  [{ HOLDFAST_REPLICAS: "2" }, /HOLDFAST_REPLICAS is 2; use 1, 3 or 5/],
  [{ HOLDFAST_REPLICAS: "many" }, /HOLDFAST_REPLICAS/],
  [{ HOLDFAST_REPLICAS: "0" }, /HOLDFAST_REPLICAS/],
  [{ HOLDFAST_START_WAIT: "soon" }, /HOLDFAST_START_WAIT/],
])("names what is wrong in %j", (variables, said) => {
  expect(() => settings(variables)).toThrow(said);
});

test("half a certificate, or two kinds of credentials, are no settings", () => {
  expect(() => settings({ HOLDFAST_NATS_CERT: at("cert.pem") })).toThrow("HOLDFAST_NATS_KEY");
  const both = { HOLDFAST_NATS_CREDS: at("user.creds"), HOLDFAST_NATS_NKEY: at("user.creds") };
  expect(() => settings(both)).toThrow(/both set/);
});

test("a file that holds something else is named before anything connects", () => {
  expect(() => natsAuth({ nkeyFile: at("user.creds") })).toThrow(/user\.creds does not hold an nkey's seed/);
  expect(() => natsAuth({ credsFile: at("user.creds") })).toThrow(/user\.creds does not hold credentials/);
});

test("credentials are read anew at each connecting, and those before are kept while the file can't be used", async () => {
  const [first, second] = [nkeys.createUser(), nkeys.createUser()];
  const seedOf = (pair: typeof first) => new TextDecoder().decode(pair.getSeed());
  await writeFile(at("seed"), `${seedOf(first)}\n`);
  const sign = natsAuth({ nkeyFile: at("seed") }).auth?.authenticator;
  if (typeof sign !== "function") throw new Error("there is no authenticator");
  expect(sign("nonce")).toMatchObject({ nkey: first.getPublicKey() });
  await writeFile(at("seed"), seedOf(second));
  expect(sign("nonce")).toMatchObject({ nkey: second.getPublicKey() });
  await writeFile(at("seed"), "half");
  expect(sign("nonce")).toMatchObject({ nkey: second.getPublicKey() });
  await rm(at("seed"));
  expect(sign("nonce")).toMatchObject({ nkey: second.getPublicKey() });
});
