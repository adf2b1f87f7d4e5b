/** `failures`, `failure` and `retry-failed --signature`: as they read, and against a real Holdfast. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ActionError, createWorker, Holdfast, typed, type Worker, workflow } from "@holdfast/sdk";
import { silentLogger } from "@holdfast/telemetry";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LocalHoldfast, startLocalHoldfast } from "../local/holdfast.js";
import { runCli } from "../program.js";
import { sparkline } from "../render/failures.js";
import { type SampleAdmin, startSampleAdmin } from "../sample-admin.js";

async function cli(address: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const code = await runCli(args, {
    write: (text) => {
      out += text;
    },
    writeError: (text) => {
      err += text;
    },
    stdout: { isTTY: false },
    stderr: { isTTY: false },
    env: { HOLDFAST_ADMIN: address },
    nowMs: () => Date.now(),
    readStdin: async () => "",
    interrupted: new AbortController().signal,
  });
  return { code, out, err };
}

describe("what is shown", () => {
  let admin: SampleAdmin;
  beforeAll(async () => {
    admin = await startSampleAdmin();
  });
  afterAll(() => admin.close());

  const ID = "5381a29500f90716";
  it.each([
    ["failures", /5381a29500f90716 +3 +41 +44/, "listFailureSignatures  ever 0"],
    ["failures -w films --now --limit 5", /row <n> is bad/, "listFailureSignatures films now 5"],
    ["failures", /Of films, 3 signatures with 12 failures gave way/, "listFailureSignatures  ever 0"],
    ["failures", /There are more: raise --limit/, "listFailureSignatures  ever 0"],
    [`failure ${ID}`, /failed now: 3 runs, 41 items/, `getFailureSignature ${ID}`],
    [
      `failure ${ID}`,
      /last 24 h: ·{22}▁█ {2}44 failures, at most 40 in an hour/,
      `getFailureSignature ${ID}`,
    ],
    [`failure ${ID}`, /films-1 +COMPLETED\n +films-2 +is not there any more/, `getFailureSignature ${ID}`],
    [`failure ${ID}`, /failed +films-3 .*\n +and more/, `getFailureSignature ${ID}`],
    [`failure ${ID}`, /retry-failed --signature 5381a29500f90716/, `getFailureSignature ${ID}`],
    [`failure ${ID} --json`, /"trend": \[/, `getFailureSignature ${ID}`],
    [`retry-failed --signature ${ID}`, /1/, `retryFailed   ${ID}`],
  ])("%s reads %s", async (line, said, asked) => {
    const { code, out } = await cli(admin.address, ...line.split(" "));
    expect([code, out]).toEqual([0, expect.stringMatching(said)]);
    expect(admin.asked).toContain(asked);
  });

  it.each([
    ["failure"],
    ["failures --limit 0"],
    ["failures --limit many"],
    [`retry-failed --signature ${ID} --workflow films`],
  ])("%s is a usage error", async (line) => {
    const { code, err } = await cli(admin.address, ...line.split(" "));
    expect([code, err]).toEqual([2, expect.stringMatching(/\S/)]);
  });

  it("a trend has a bar for each hour, and a dot for one without", () => {
    expect(sparkline([0, 1, 50, 100])).toBe("·▁▄█");
    expect(sparkline([0, 0])).toBe("··");
    expect(sparkline([])).toBe("");
  });
});

describe("against a real Holdfast", () => {
  let broken = true;
  const importing = workflow("importing", { input: typed<{ rows: number[] }>() }).forEach(
    "check",
    { items: "rows", retry: { maxAttempts: 1 } },
    ({ item }) => {
      if (broken && item > 90) throw new ActionError("NOT_FOUND", `no customer ${item} in 'eu-${item}'`);
      if (broken && item > 1) throw new ActionError("VALIDATION", `row ${item}: the name is empty`);
      return item;
    },
  );
  const sending = workflow("sending").action("send", { retry: { maxAttempts: 1 } }, () => {
    if (broken) throw new ActionError("UNAVAILABLE", "connect ECONNREFUSED 10.0.0.7:25");
    return "sent";
  });

  let folder: string;
  let holdfast: LocalHoldfast;
  let connection: Holdfast;
  let worker: Worker;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "holdfast-failures-"));
    holdfast = await startLocalHoldfast({
      dataDir: join(folder, "data"),
      natsUrl: undefined,
      ports: { nats: 0, admin: 0, metrics: 0 },
      logger: silentLogger,
    });
    connection = await Holdfast.connect({ url: holdfast.natsUrl });
    worker = await createWorker({ connection, workflows: [importing, sending] });
  });
  afterAll(async () => {
    await worker.stop();
    await connection.close();
    await holdfast.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const shown = async (...args: string[]) =>
    JSON.parse((await cli(holdfast.adminAddress, ...args, "--json")).out);

  it("failures of many runs in many partitions are one line each, and are retried by it alone", async () => {
    const imports = Array.from({ length: 40 }, (_, run) =>
      connection.start(importing, { rows: [1, 2 + run, 60, 91 + run] }),
    );
    const sends = Array.from({ length: 7 }, () => connection.start(sending, {}));
    const runs = await Promise.all([...imports, ...sends]);
    await Promise.all(runs.map((run) => run.ended()));

    const { signatures } = await shown("failures");
    expect(signatures).toMatchObject([
      {
        workflow: "importing",
        action: "check",
        mode: "FAILURE_MODE_VALIDATION",
        message: "row <n>: the name is empty",
        runs: "40",
        items: "80",
        count: "80",
      },
      { message: "no customer <n> in '*'", runs: "40", items: "40", count: "40" },
      { workflow: "sending", action: "send", message: "connect ECONNREFUSED <ip>", runs: "7", count: "7" },
    ]);
    expect(signatures[0].partitions).toBeGreaterThan(1);
    expect(signatures[0].trend).toHaveLength(24);
    expect(signatures[0].trend.reduce((sum: number, each: number) => sum + each, 0)).toBe(80);

    const refused = signatures[2].id as string;
    const one = await cli(holdfast.adminAddress, "failure", refused);
    expect(one.out).toMatch(
      /sending\/send: UNAVAILABLE.*\nmessage +connect ECONNREFUSED <ip>\nfor one +connect ECONNREFUSED 10/,
    );
    const { failedRuns, signature } = await shown("failure", refused);
    expect(failedRuns).toHaveLength(7);
    expect(signature.examples.every(({ status }: { status: string }) => status === "RUN_STATUS_FAILED")).toBe(
      true,
    );
    expect(await connection.failure(refused)).toMatchObject({
      signature: { runs: 7n },
      moreFailedRuns: false,
    });
    expect((await connection.failures({ workflow: "sending" })).signatures).toHaveLength(1);

    broken = false;
    const retried = await cli(holdfast.adminAddress, "retry-failed", "--signature", refused);
    expect([retried.code, retried.out]).toEqual([
      0,
      expect.stringMatching(/retried 7 of 7 · 0 raced · 0 refused/),
    ]);
    await expect.poll(async () => (await connection.counts("sending")).total.completed).toBe(7n);
    expect((await connection.counts("importing")).total.completedWithFailures).toBe(40n);
    expect((await shown("failures", "--now")).signatures).toHaveLength(2);
    expect((await connection.failure(refused)).signature).toMatchObject({ runs: 0n, items: 0n, count: 7n });

    await cli(holdfast.adminAddress, "retry-failed", "--signature", signatures[1].id as string);
    await expect.poll(async () => (await connection.counts("importing")).total.completed).toBe(40n);
    const after = await shown("failures", "--now");
    expect(after.signatures ?? []).toEqual([]);
    expect((await cli(holdfast.adminAddress, "failure", refused)).out).toContain("Nothing is failed so now.");
    const unknown = await cli(holdfast.adminAddress, "failure", "0123456789abcdef");
    expect([unknown.code, unknown.err]).toEqual([4, expect.stringContaining("0123456789abcdef")]);
    const none = await cli(holdfast.adminAddress, "failure", "../../etc");
    expect([none.code, none.err]).toEqual([2, expect.stringContaining("16 hex digits")]);
  });
});
