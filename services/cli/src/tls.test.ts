/** The command line against an admin service that speaks TLS: certificates, client certificates, and what says that they don't fit. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "selfsigned";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import type { CliIo } from "./io.js";
import { runCli } from "./program.js";
import { SAMPLE_NOW_MS } from "./render/sample-runs.js";
import { type SampleAdmin, startSampleAdmin } from "./sample-admin.js";

let folder: string;
let admin: SampleAdmin | undefined;
const at = (name: string): string => join(folder, name);

interface Pair {
  readonly cert: string;
  readonly private: string;
}

/** Of its own authority, or of `ca`. */
async function certify(name: string, ca?: Pair): Promise<Pair> {
  const made = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: ca === undefined, critical: true },
      { name: "keyUsage", keyCertSign: ca === undefined, digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true, clientAuth: true },
      { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] },
    ],
    ...(ca === undefined ? {} : { ca: { key: ca.private, cert: ca.cert } }),
  });
  await writeFile(at(`${name}.pem`), made.cert);
  await writeFile(at(`${name}.key`), made.private);
  return made;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-tls-"));
  const authority = await certify("authority");
  await certify("server", authority);
  await certify("client", authority);
  await certify("stranger");
  await writeFile(at("words.txt"), "no certificate");
  await writeFile(at("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(async () => {
  await admin?.close();
  admin = undefined;
});

const serverFiles = () => ({ cert: at("server.pem"), key: at("server.key") });

async function holdfast(args: readonly string[], env: Record<string, string> = {}) {
  let [out, err] = ["", ""];
  const io: CliIo = {
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
    stdout: { isTTY: false },
    stderr: { isTTY: false },
    env,
    nowMs: () => SAMPLE_NOW_MS,
    readStdin: async () => "",
    interrupted: new AbortController().signal,
  };
  const code = await runCli(args, io);
  return { code, out, err };
}

it("reaches a server by its authority, named by flag or by variable, and hints at commands that reach it, too", async () => {
  admin = await startSampleAdmin({ tls: serverFiles() });
  const place = `https://${admin.address}`;
  const flagged = await holdfast(["run", "import-1", "--admin", place, "--tls-ca", at("authority.pem")]);
  expect(flagged).toMatchObject({ code: 0, err: "" });
  expect(flagged.out).toContain(`holdfast --admin ${place} --tls-ca ${at("authority.pem")} retry import-1`);
  // A file of TLS says that there is TLS.
  expect((await holdfast(["runs", "--admin", admin.address, "--tls-ca", at("authority.pem")])).code).toBe(0);
  const env = { HOLDFAST_ADMIN: place, HOLDFAST_TLS_CA: at("authority.pem") };
  expect((await holdfast(["runs"], env)).code).toBe(0);
});

it("shows a certificate where the server asks for one, and says what is missing where it does not", async () => {
  admin = await startSampleAdmin({ tls: { ...serverFiles(), clientCa: at("authority.pem") } });
  const trusting = ["runs", "--admin", admin.address, "--tls-ca", at("authority.pem")];
  const own = ["--tls-cert", at("client.pem"), "--tls-key", at("client.key")];
  expect(await holdfast([...trusting, ...own])).toMatchObject({ code: 0, err: "" });
  const none = await holdfast(trusting);
  expect(none.code).toBe(3);
  expect(none.err).toContain(
    `at ${admin.address}: tlsv13 alert certificate required. Look at --tls-ca, --tls-cert and --tls-key`,
  );
  const stranger = [...trusting, "--tls-cert", at("stranger.pem"), "--tls-key", at("stranger.key")];
  expect((await holdfast(stranger)).code).toBe(3);
});

it("says why where the two don't fit", async () => {
  admin = await startSampleAdmin({ tls: serverFiles() });
  const plain = await holdfast(["runs", "--admin", admin.address]);
  expect(plain.code).toBe(3);
  expect(plain.err).toContain(`If it speaks TLS, write --admin https://${admin.address}, with --tls-ca`);
  const untrusted = await holdfast(["runs", "--admin", `https://${admin.address}`]);
  expect(untrusted.code).toBe(3);
  expect(untrusted.err).toContain(
    `No connection to the admin service at ${admin.address}: unable to verify the first certificate. Look at`,
  );
  const wrong = await holdfast(["runs", "--admin", admin.address, "--tls-ca", at("stranger.pem")]);
  expect(wrong.code).toBe(3);
  await admin.close();
  admin = await startSampleAdmin();
  const without = await holdfast(["runs", "--admin", `https://${admin.address}`]);
  expect(without.code).toBe(3);
  expect(without.err).toContain("wrong version number. Look at");
  expect(without.err).toContain("a server without TLS is http://");
});

it("names the file that can't be read or used, before it asks", async () => {
  const asked = async (...files: string[]) => holdfast(["runs", "--admin", "127.0.0.1:1", ...files]);
  const gone = await asked("--tls-ca", at("gone.pem"));
  expect(gone).toMatchObject({ code: 2, out: "" });
  expect(gone.err).toContain(`holdfast: ${at("gone.pem")} can't be read: ENOENT`);
  expect((await asked("--tls-ca", at("words.txt"))).err).toContain(`${at("words.txt")} is no PEM file`);
  const broken = await asked("--tls-cert", at("broken.pem"), "--tls-key", at("client.key"));
  expect(broken.code).toBe(2);
  expect(broken.err).toContain(`TLS can't use ${at("broken.pem")}, ${at("client.key")}: `);
  const mixed = await asked("--tls-cert", at("client.pem"), "--tls-key", at("stranger.key"));
  expect(mixed.err).toContain("TLS can't use");
  expect(mixed.code).toBe(2);
});
