/** How a process reaches NATS: TLS, nkeys, copies, and a server that is not there yet. On servers with the settings in question. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectNats, type ConnectNatsOptions, type NatsCluster } from "@holdfast/nats";
import { findNatsServer, startNatsServer } from "@holdfast/nats/managed-server";
import { silentLogger } from "@holdfast/telemetry";
import { nkeys } from "nats";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TEST_LOG_BYTES } from "./nats-server.js";

type KeyPair = ReturnType<typeof nkeys.createUser>;

let folder: string;
const servers: ChildProcess[] = [];
const closing: (() => Promise<void>)[] = [];
const at = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-access-"));
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  for (const server of servers.splice(0)) {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    if (server.exitCode === null && server.kill("SIGKILL")) await ended;
  }
  await rm(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** `more`: beyond where it listens and keeps its streams. */
async function startServer(more: string): Promise<number> {
  const port = await freePort();
  const config = `host: "127.0.0.1"\nport: ${port}\njetstream { store_dir: ${JSON.stringify(at("js"))} }\n${more}\n`;
  await writeFile(at("server.conf"), config);
  servers.push(spawn(findNatsServer().path, ["-c", at("server.conf")], { stdio: "ignore" }));
  return port;
}

async function open(options: Partial<ConnectNatsOptions>): Promise<NatsCluster> {
  const cluster = await connectNats({
    servers: "nats://127.0.0.1:1",
    name: "access",
    logger: silentLogger,
    partitions: 1,
    logBytes: TEST_LOG_BYTES,
    waitMs: 30_000,
    ...options,
  });
  closing.push(() => cluster.close());
  return cluster;
}

const KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
const openssl = (args: string): void => void execFileSync("openssl", args.split(" "), { stdio: "ignore" });

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64url");

/** What `by` says of `of`, as NATS servers in operator mode read it. */
function jwt(by: KeyPair, of: KeyPair, nats: object): string {
  const claims = { iss: by.getPublicKey(), sub: of.getPublicKey(), iat: 1, nats: { version: 2, ...nats } };
  const said = `${base64('{"typ":"JWT","alg":"ed25519-nkey"}')}.${base64(JSON.stringify(claims))}`;
  return `${said}.${base64(by.sign(Buffer.from(said)))}`;
}

const credsOf = (account: KeyPair, user: KeyPair): string =>
  `-----BEGIN NATS USER JWT-----
${jwt(account, user, { type: "user", pub: {}, sub: {}, subs: -1, data: -1, payload: -1 })}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${Buffer.from(user.getSeed()).toString()}
------END USER NKEY SEED------
`;

test("with TLS: by the authority that was named, not without it, and never in the clear where TLS was asked for", async () => {
  openssl(
    `req -x509 ${KEY} -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ${at("key.pem")} -out ${at("cert.pem")}`,
  );
  const port = await startServer(
    `tls { cert_file: ${JSON.stringify(at("cert.pem"))}, key_file: ${JSON.stringify(at("key.pem"))} }`,
  );
  const url = `tls://localhost:${port}`;
  const cluster = await open({ servers: url, access: { tls: { caFile: at("cert.pem") } } });
  expect(await cluster.log.append(0, new Uint8Array(3))).toBe(1);
  // Nothing that waiting mends, however long a start may wait.
  const beganMs = performance.now();
  await expect(open({ servers: url, access: { tls: {} }, waitMs: 600_000 })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringMatching(/self-signed|certificate/),
  });
  expect(performance.now() - beganMs).toBeLessThan(60_000);

  const plain = await startNatsServer({ storeDir: at("plain") });
  closing.push(() => plain.stop());
  const refused = open({ servers: plain.url, access: { tls: { caFile: at("cert.pem") } } });
  await expect(refused).rejects.toMatchObject({
    code: "config-mismatch",
    message: expect.stringContaining("does not speak TLS"),
  });
});

test("with a client certificate where the server asks for one; without it the error says what to name", async () => {
  openssl(`req -x509 ${KEY} -days 2 -subj /CN=authority -keyout ${at("ca-key.pem")} -out ${at("ca.pem")}`);
  for (const name of ["server", "client"]) {
    openssl(
      `req -x509 ${KEY} -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=CA:FALSE -CA ${at("ca.pem")} -CAkey ${at("ca-key.pem")} ` +
        `-keyout ${at(`${name}-key.pem`)} -out ${at(`${name}.pem`)}`,
    );
  }
  const port = await startServer(
    `tls { cert_file: ${JSON.stringify(at("server.pem"))}, key_file: ${JSON.stringify(at("server-key.pem"))}, ca_file: ${JSON.stringify(at("ca.pem"))}, verify: true }`,
  );
  const url = `tls://localhost:${port}`;
  const caFile = at("ca.pem");
  const tls = { caFile, certFile: at("client.pem"), keyFile: at("client-key.pem") };
  const cluster = await open({ servers: url, access: { tls } });
  expect(await cluster.log.append(0, new Uint8Array(3))).toBe(1);
  await expect(open({ servers: url, access: { tls: { caFile } }, waitMs: 0 })).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("HOLDFAST_NATS_CERT"),
  });
});

test("with a .creds file: the right one opens, one of another account's is refused at once", async () => {
  const [operator, system, account, stranger] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createAccount(),
    nkeys.createAccount(),
  ];
  const [user, other] = [nkeys.createUser(), nkeys.createUser()];
  const unlimited = {
    subs: -1,
    data: -1,
    payload: -1,
    imports: -1,
    exports: -1,
    wildcards: true,
    conn: -1,
    leaf: -1,
  };
  const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const preload = [
    [system, unlimited],
    [account, { ...unlimited, ...storage }],
  ] as const;
  const accounts = preload.map(
    ([key, limits]) => `${key.getPublicKey()}: ${jwt(operator, key, { type: "account", limits })}`,
  );
  const port = await startServer(
    `operator: ${jwt(operator, operator, { type: "operator" })}\nsystem_account: ${system.getPublicKey()}\nresolver: MEMORY\nresolver_preload: { ${accounts.join(", ")} }`,
  );
  await writeFile(at("user.creds"), credsOf(account, user));
  await writeFile(at("other.creds"), credsOf(stranger, other));
  const url = `nats://127.0.0.1:${port}`;
  const cluster = await open({ servers: url, access: { credsFile: at("user.creds") } });
  expect(await cluster.log.append(0, new Uint8Array(3))).toBe(1);
  const beganMs = performance.now();
  await expect(
    open({ servers: url, access: { credsFile: at("other.creds") }, waitMs: 600_000 }),
  ).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("credentials") });
  expect(performance.now() - beganMs).toBeLessThan(60_000);
});

test("with an nkey: the right one opens, another is refused at once, however long a start may wait", async () => {
  const [user, other] = [nkeys.createUser(), nkeys.createUser()];
  await writeFile(at("user.nk"), user.getSeed());
  await writeFile(at("other.nk"), other.getSeed());
  const port = await startServer(`authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`);
  const url = `nats://127.0.0.1:${port}`;
  const cluster = await open({ servers: url, access: { nkeyFile: at("user.nk") } });
  expect(await cluster.log.append(0, new Uint8Array(3))).toBe(1);
  const beganMs = performance.now();
  await expect(
    open({ servers: url, access: { nkeyFile: at("other.nk") }, waitMs: 600_000 }),
  ).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("credentials") });
  expect(performance.now() - beganMs).toBeLessThan(60_000);
});

test("a start waits for a server that comes later, and a client for a cluster; what it waits for is said", async () => {
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  const said: string[] = [];
  const logger = {
    ...silentLogger,
    warn: (_message: string, fields?: object) => void said.push(JSON.stringify(fields)),
  };
  const client = open({
    servers: url,
    create: false,
    partitions: 1,
    logger: { ...logger, child: () => logger },
  });
  const node = open({ servers: url });
  await expect.poll(() => said.length).toBeGreaterThan(0);
  expect(said[0]).toContain(`127.0.0.1:${port}`);
  const server = await startNatsServer({ storeDir: at("later"), port });
  closing.push(() => server.stop());
  expect((await node).config.partitions).toBe(1);
  expect((await client).config.id).toBe((await node).config.id);
});

test("more copies than one server can keep are refused at once, with what to do", async () => {
  const server = await startNatsServer({ storeDir: at("one") });
  closing.push(() => server.stop());
  await expect(open({ servers: server.url, replicas: 3, waitMs: 600_000 })).rejects.toMatchObject({
    code: "config-mismatch",
    message: expect.stringContaining("HOLDFAST_REPLICAS"),
  });
  // Made with one copy, it is told where more were wanted, and works.
  await open({ servers: server.url });
  const cluster = await open({ servers: server.url, replicas: 3 });
  expect(cluster.warnings.filter((warning) => warning.includes("HOLDFAST_REPLICAS"))).toHaveLength(1);
  expect(await cluster.log.append(0, new Uint8Array(3))).toBe(1);
});
