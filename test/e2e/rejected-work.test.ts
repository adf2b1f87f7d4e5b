/** Published work that could not become a run, on the real parts: mended and replayed, discarded, or kept as a duplicate that says something else. */
import { type RejectedWork, RejectCode, RunStatus } from "@holdfast/proto";
import { ActionError, createWorker, type Holdfast, typed, workflow } from "@holdfast/sdk";
import { connect, headers, type MsgHdrs, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Admin, System } from "../support/system.js";
import { until, within } from "../support/wait.js";

const SCHEMA = {
  type: "object",
  required: ["rows"],
  properties: { rows: { type: "array", items: { type: "number" } } },
};
const healthy = workflow("healthy", { input: typed<{ rows: number[] }>(SCHEMA) }).action(
  "sum",
  ({ input }) => {
    if (input.rows.includes(13)) throw new ActionError("VALIDATION", "an unlucky row");
    return input.rows.reduce((sum, row) => sum + row, 0);
  },
);

let system: System;
let admin: Admin;
let client: Holdfast;
let nats: NatsConnection;
beforeAll(async () => {
  system = await System.start();
  client = await system.connect();
  admin = await system.startAdmin();
  nats = await connect({ servers: system.url });
  const worker = await createWorker({ connection: await system.connect("worker"), workflows: [healthy] });
  system.onStop(async () => {
    await worker.stop();
    await nats.close();
  });
});
afterAll(() => system.stop());

const refusal = (promise: Promise<unknown>): Promise<{ message: string }> =>
  promise.then(
    () => ({ message: "it was accepted" }),
    (error: unknown) => error as Error,
  );

const allRejected = async (): Promise<RejectedWork[]> =>
  (await admin.call.listRejected({ pageSize: 1_000 })).rejected;

/** Publishes, and resolves with the reject that came of it. */
async function rejectOf(subject: string, body: string, hdrs?: MsgHdrs): Promise<RejectedWork> {
  const before = (await allRejected()).length;
  await nats.request(
    subject,
    body,
    hdrs === undefined ? { timeout: 60_000 } : { timeout: 60_000, headers: hdrs },
  );
  return until(`the reject of ${subject}`, async () => {
    const rejected = await allRejected();
    return rejected.length > before && rejected.at(-1);
  });
}

const withHeader = (name: string, value: string): MsgHdrs => {
  const hdrs = headers();
  hdrs.set(name, value);
  return hdrs;
};

test("what is wrong itself is replayed with another input, or discarded; who, when and why stays", async () => {
  const hdrs = withHeader("Holdfast-Run-Id", "no such id");
  const wrong = await rejectOf("holdfast.work.healthy", '{"rows": "none"}', hdrs);
  const replay = { ids: [wrong.id], reason: "a typo" };
  const named = { "Holdfast-Run-Id": "mended" };
  const still = await refusal(admin.call.replayRejected({ ...replay, edit: { headers: named } }));
  expect(still.message).toMatch(/would be rejected again: .+rows.+nothing was changed/);
  const edit = { inputJson: '{"rows":[1,2]}', headers: named };
  // Two at once, who want the same, are one.
  const both = await Promise.all([
    admin.call.replayRejected({ ...replay, edit }),
    admin.call.replayRejected({ ...replay, edit }),
  ]);
  expect(both.map(({ replayed }) => replayed)).toContain(1);
  await until("the mended run", () => client.get("mended").catch(() => undefined));
  expect((await within("its end", client.wait("mended"))).status).toBe(RunStatus.COMPLETED);

  const unwanted = await rejectOf("holdfast.work.healthy", "{");
  expect(await client.rejected.discard(Number(unwanted.id), { reason: "a test" })).toBe(true);
  expect((await admin.call.discardRejected({ ids: [unwanted.id], reason: "again" })).notFound).toEqual([
    unwanted.id,
  ]);
  const ids = (await allRejected()).map(({ id }) => id);
  expect([ids.includes(wrong.id), ids.includes(unwanted.id)]).toEqual([false, false]);
  const { decisions } = await admin.call.listRejectedDecisions({ limit: 2 });
  expect(decisions).toMatchObject([
    { id: unwanted.id, discarded: true, who: "sdk test", reason: "a test" },
    { id: wrong.id, discarded: false, edited: true, reason: "a typo" },
  ]);
});

test("under the id of a run that is there, the same again is nothing; something else is kept, with what to do", async () => {
  const named = (id: string): MsgHdrs => withHeader("Holdfast-Run-Id", id);
  await nats.request("holdfast.work.healthy", '{"rows":[1]}', { timeout: 60_000, headers: named("dup") });
  await until("the run", () => client.get("dup").catch(() => undefined));
  await within("its end", client.wait("dup"));
  const before = (await allRejected()).length;
  await nats.request("holdfast.work.healthy", '{"rows":[1]}', { timeout: 60_000, headers: named("dup") });
  const reject = await rejectOf("holdfast.work.healthy", '{"rows":[2]}', named("dup"));
  expect(reject).toMatchObject({ code: RejectCode.RUN_EXISTS, runId: "dup" });
  expect(reject.reason).toMatch(
    /^run dup exists, COMPLETED, and was begun with another body: .+Publish it under/,
  );
  expect((await allRejected()).length).toBe(before + 1);
  const edit = { headers: { "Holdfast-Run-Id": "dup-2" } };
  await admin.call.replayRejected({ ids: [reject.id], edit });
  await until("the run of its own", () => client.get("dup-2").catch(() => undefined));
  expect((await within("its end", client.wait("dup-2"))).status).toBe(RunStatus.COMPLETED);
});

test("under the id of a run that failed, another message is kept, with what to do", async () => {
  const hdrs = withHeader("Holdfast-Run-Id", "unlucky");
  await nats.request("holdfast.work.healthy", '{"rows":[13]}', { timeout: 60_000, headers: hdrs });
  await until("the run", () => client.get("unlucky").catch(() => undefined));
  expect((await within("its end", client.wait("unlucky"))).status).toBe(RunStatus.FAILED);
  const reject = await rejectOf("holdfast.work.healthy", '{"rows":[13]}', hdrs);
  expect(reject.reason).toMatch(
    /^run unlucky exists, FAILED: retry it, or publish this under another run id/,
  );
});
