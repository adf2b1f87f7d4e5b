/** What the command client promises, against a log that loses, refuses and doubts. */
import {
  type Command,
  CommandBatchSchema,
  type CommandBatch,
  Effect,
  type Outcome,
  OutcomeBatchSchema,
  RunStatus,
} from "@holdfast/proto";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Bus } from "../ports/bus.js";
import { PortError } from "../ports/errors.js";
import { decode, encode } from "./codec.js";
import { CommandClient } from "./command-client.js";
import { cancelRunCommand, startRunCommand } from "./commands.js";
import type { ClientLimits } from "./limits.js";
import { PassingClock } from "./passing-clock.js";
import { ScriptedLog } from "./scripted-log.js";
import { MemoryNetwork } from "../memory/index.js";

const FAST: Partial<ClientLimits> = {
  appendBackoffMs: 1,
  appendBackoffMsMax: 4,
  appendDeadlineMs: 200,
  resendAfterMs: 20,
  outcomeDeadlineMs: 300,
  sweepMs: 5,
};

function setUp(limits: Partial<ClientLimits> = {}, partitions = 4, maxEntryBytes = 1024 * 1024) {
  const log = new ScriptedLog(partitions, maxEntryBytes);
  const clock = new PassingClock();
  onTestFinished(() => clock.stop());
  const bus = new MemoryNetwork({ clock }).bus();
  const client = new CommandClient({
    ...{ log, bus, producer: "client-test", clock },
    limits: { ...FAST, ...limits },
  });
  return { log, bus, client };
}

const start = (runId: string): Command =>
  startRunCommand({ runId, workflow: "orders", input: new Uint8Array(8) });

function batches(log: ScriptedLog, partition = 0): CommandBatch[] {
  return log.entries(partition).map((data) => decode(CommandBatchSchema, data));
}

/** Answers every command of every new entry, as an owner would. */
function answer(
  log: ScriptedLog,
  bus: Bus,
  make: (command: Command, seq: number) => Outcome["result"] | undefined,
): void {
  log.onStored = (partition, seq, data) => {
    const batch = decode(CommandBatchSchema, data);
    const outcomes = batch.commands.flatMap((command): Outcome[] => {
      const result = command.correlation === 0n ? undefined : make(command, seq);
      if (result === undefined) return [];
      return [
        { $typeName: "holdfast.v1.Outcome", correlation: command.correlation, seq: BigInt(seq), result },
      ];
    });
    if (outcomes.length === 0) return;
    bus.publish(
      batch.replyInbox,
      encode(OutcomeBatchSchema, { $typeName: "holdfast.v1.OutcomeBatch", partition, outcomes }),
    );
  };
}

const accept = (command: Command): Outcome["result"] => ({
  case: "accepted",
  value: {
    $typeName: "holdfast.v1.Accepted",
    runId: command.kind.case === "startRun" ? command.kind.value.runId : "",
    existed: false,
    status: RunStatus.RUNNING,
    items: 0,
    actions: 0,
    differs: false,
  },
});

const endOf = (runId: string): Outcome["result"] => ({
  case: "ended",
  value: {
    $typeName: "holdfast.v1.RunEnded",
    runId,
    status: RunStatus.COMPLETED,
    detail: "",
    effect: Effect.VALUE,
    retryableUntilNs: 0n,
  },
});

describe("coalescing", () => {
  it("puts the commands of one turn into one entry, in order", async () => {
    const { log, client } = setUp();
    const seqs = await Promise.all(["a", "b", "c"].map((id) => client.send(0, start(id))));
    expect(seqs).toEqual([1, 1, 1]);
    const [batch] = batches(log);
    expect(batch?.producer).toBe("client-test");
    expect(batch?.replyInbox).toBe("");
    expect(batch?.commands.map((c) => c.kind.case === "startRun" && c.kind.value.runId)).toEqual([
      "a",
      "b",
      "c",
    ]);
  });

  it("never has more than two appends of a partition under way, and packs what came meanwhile", async () => {
    const { log, client } = setUp();
    log.hold();
    const sent = [];
    for (let i = 0; i < 10; i++) {
      sent.push(client.send(0, start(`r${i}`)));
      // eslint-disable-next-line no-await-in-loop -- each its own event-loop turn
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(log.pending).toBe(2);
    log.release();
    await Promise.all(sent);
    expect(batches(log).map((b) => b.commands.length)).toEqual([1, 1, 8]);
  });

  it("starts another entry at the limits of count and bytes", async () => {
    const { log, client } = setUp({ maxBatchCommands: 3 });
    await Promise.all(["a", "b", "c", "d"].map((id) => client.send(0, start(id))));
    expect(batches(log).map((b) => b.commands.length)).toEqual([3, 1]);
    const small = setUp({ maxBatchBytes: 120 });
    await Promise.all(["a", "b", "c", "d", "e", "f"].map((id) => small.client.send(0, start(id))));
    for (const data of small.log.entries(0)) expect(data.length).toBeLessThanOrEqual(120);
    expect(batches(small.log).flatMap((b) => b.commands)).toHaveLength(6);
  });
});

describe("an append that goes wrong", () => {
  it("is tried again with the same bytes while its outcome is unknown", async () => {
    const { log, client } = setUp();
    log.failNext(new PortError("unknown-outcome", "no answer"), new PortError("unavailable", "no leader"));
    await expect(client.send(0, start("a"))).resolves.toBe(1);
    expect(log.tried).toHaveLength(3);
    expect(new Set(log.tried.map((data) => Buffer.from(data).toString("hex"))).size).toBe(1);
    expect(client.stats.appendRetries).toBe(2);
  });

  it("is given up at its deadline, saying whether it may be stored", async () => {
    const { log, client } = setUp();
    log.failAlways(new PortError("unknown-outcome", "no answer"));
    await expect(client.send(0, start("a"))).rejects.toMatchObject({
      code: "unknown-outcome",
      retry: "unknown-outcome",
    });
    log.failAlways(new PortError("unavailable", "no leader"));
    await expect(client.send(0, start("b"))).rejects.toMatchObject({ code: "unavailable", retry: "safe" });
  });

  it("fails only the command that is too large for the log", async () => {
    const { client } = setUp({}, 4, 1_000);
    const large = startRunCommand({ runId: "large", workflow: "orders", input: new Uint8Array(2_000) });
    const sent = await Promise.allSettled([
      client.send(0, start("a")),
      client.send(0, large),
      client.send(0, start("b")),
    ]);
    expect(sent.map((s) => s.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(sent[1]).toMatchObject({ reason: { code: "too-large" } });
  });

  it("splits an entry that the log unexpectedly finds too large", async () => {
    const { log, client } = setUp();
    log.refuseBeyondBytes = 300;
    const large = startRunCommand({ runId: "large", workflow: "orders", input: new Uint8Array(400) });
    const commands = ["a", "b", "c", "d", "e"].map(start);
    const sent = await Promise.allSettled([...commands, large, start("z")].map((c) => client.send(0, c)));
    expect(sent.map((s) => s.status === "fulfilled")).toEqual([true, true, true, true, true, false, true]);
    expect(batches(log).flatMap((b) => b.commands)).toHaveLength(6);
    expect(client.stats).toMatchObject({ queued: 0, queuedBytes: 0 });
  });
});

describe("outcomes", () => {
  it("reach the command they are of", async () => {
    const { log, bus, client } = setUp();
    answer(log, bus, accept);
    const outcomes = await Promise.all(["a", "b"].map((id, p) => client.submit(p, start(id))));
    expect(outcomes.map((o) => o.result.case === "accepted" && o.result.value.runId)).toEqual(["a", "b"]);
    expect(client.stats.awaited).toBe(0);
  });

  it("that are lost are asked for by sending the command again", async () => {
    const { log, bus, client } = setUp();
    let seen = 0;
    answer(log, bus, (command) => (++seen < 3 ? undefined : accept(command)));
    const outcome = await client.submit(0, start("a"));
    expect(outcome.result.case).toBe("accepted");
    expect(seen).toBe(3);
    expect(client.stats.resends).toBe(2);
    const ids = batches(log).map((b) => b.commands.map((c) => [c.correlation, c.kind.case]));
    expect(ids).toEqual([[[1n, "startRun"]], [[1n, "startRun"]], [[1n, "startRun"]]]);
  });

  it("of one command that is sent to all partitions come for each, while there is no room, too", async () => {
    const { log, bus, client } = setUp({ maxQueued: 1 });
    answer(log, bus, accept);
    const command = Object.freeze(start("a"));
    Object.freeze(command.kind);
    Object.freeze(command.kind.value);
    const outcomes = await Promise.all([0, 1, 2, 3].map((partition) => client.submit(partition, command)));
    expect(outcomes.map(({ result }) => result.case)).toEqual(Array(4).fill("accepted"));
    expect(new Set(outcomes.map(({ correlation }) => correlation)).size).toBe(4);
    const ticket = client.submitStart(0, command);
    expect((await ticket.accepted).result.case).toBe("accepted");
    await client.send(1, Object.freeze({ ...command, correlation: 7n }));
    expect(batches(log, 1).at(-1)?.commands[0]?.correlation).toBe(0n);
    expect(command).toEqual(start("a"));
  });

  it("that never come are given up, naming the partition", async () => {
    const { client } = setUp();
    await expect(client.submit(3, start("a"))).rejects.toMatchObject({
      code: "timeout",
      details: { partition: 3 },
    });
    expect(client.stats).toMatchObject({ awaited: 0, queued: 0 });
  });

  it("bring a start's end too, whichever comes first", async () => {
    const { log, bus, client } = setUp();
    answer(log, bus, accept);
    const ticket = client.submitStart(0, start("a"));
    await ticket.accepted;
    const [batch] = batches(log);
    expect(batch?.commands[0]?.kind).toMatchObject({ value: { notifyEnd: true } });
    bus.publish(
      batch?.replyInbox ?? "",
      encode(OutcomeBatchSchema, {
        $typeName: "holdfast.v1.OutcomeBatch",
        partition: 0,
        outcomes: [{ $typeName: "holdfast.v1.Outcome", correlation: 1n, seq: 9n, result: endOf("a") }],
      }),
    );
    expect((await ticket.ended).runId).toBe("a");
    expect(client.stats.endsAwaited).toBe(0);
  });

  it("let go of the oldest end beyond the bound", async () => {
    const { log, bus, client } = setUp({ maxEndsAwaited: 1 });
    answer(log, bus, accept);
    const first = client.submitStart(0, start("a"));
    const second = client.submitStart(0, start("b"));
    await second.accepted;
    await expect(first.ended).rejects.toMatchObject({ code: "not-found" });
    expect(client.stats.endsAwaited).toBe(1);
  });

  it("that can't be read disturb nothing", async () => {
    const { log, bus, client } = setUp();
    answer(log, bus, (command) => {
      const [batch] = batches(log);
      bus.publish(batch?.replyInbox ?? "", Uint8Array.of(0xff, 0xff));
      return accept(command);
    });
    await expect(client.submit(0, start("a"))).resolves.toBeDefined();
    expect(client.stats.unreadableOutcomes).toBe(1);
  });
});

describe("a log without room", () => {
  const full = () =>
    new PortError("full", "the log of partition 0 is full (stream HOLDFAST_LOG_0, 1.0 of 1.0 MiB)");

  it("is told at once: nothing that the client can do gives it room", async () => {
    const { log, client } = setUp({ appendDeadlineMs: 60_000 });
    log.failAlways(full());
    await expect(client.send(0, start("a"))).rejects.toMatchObject({
      code: "full",
      retry: "safe",
      message: expect.stringContaining("HOLDFAST_LOG_0"),
    });
    expect(log.tried).toHaveLength(1);
    await expect(client.submit(0, start("b"))).rejects.toMatchObject({ code: "full" });
  });

  it("after a try that may have been stored is told with that doubt", async () => {
    const { log, client } = setUp();
    log.failNext(new PortError("unknown-outcome", "no acknowledgement came"));
    log.failAlways(full());
    // The first try's outcome is not known; the second one's is.
    await expect(client.send(0, start("a"))).rejects.toMatchObject({
      code: "unknown-outcome",
      message: expect.stringContaining("HOLDFAST_LOG_0"),
    });
  });

  it("is waited for by whoever waits for ever", async () => {
    const { log, client } = setUp({ appendDeadlineMs: Number.POSITIVE_INFINITY });
    log.failNext(full(), full(), full());
    await expect(client.send(0, start("a"))).resolves.toBe(1);
  });
});

describe("bounds", () => {
  it("let callers wait for room in turn, and refuse those beyond", async () => {
    const { log, client } = setUp({ maxQueued: 2, maxWaiting: 2 });
    log.hold();
    const sent = ["a", "b", "c", "d", "e"].map((id) => client.send(0, start(id)));
    const settled = Promise.allSettled(sent);
    expect(client.stats).toMatchObject({ queued: 2, waiting: 2 });
    await expect(sent[4]).rejects.toMatchObject({ code: "full" });
    log.release();
    expect((await settled).map((s) => s.status === "fulfilled")).toEqual([true, true, true, true, false]);
    await client.ready();
  });

  it("refuse a partition that is not there, and a command that can't be encoded", async () => {
    const { client } = setUp();
    await expect(client.send(4, start("a"))).rejects.toMatchObject({ code: "not-found" });
    await expect(client.send(-1, start("a"))).rejects.toMatchObject({ code: "not-found" });
    const broken = start("a");
    if (broken.kind.case === "startRun") broken.kind.value.priority = 2 ** 40;
    await expect(client.submit(0, broken)).rejects.toMatchObject({ code: "schema" });
    expect(client.stats).toMatchObject({ awaited: 0, queued: 0 });
  });
});

describe("closing", () => {
  it("waits for what is queued, then fails what is left", async () => {
    const { log, client } = setUp();
    const sent = client.send(0, start("a"));
    await client.close();
    await expect(sent).resolves.toBe(1);
    await expect(client.send(0, start("b"))).rejects.toMatchObject({ code: "closed" });
    await expect(
      client.submit(0, cancelRunCommand({ id: "c1", runId: "a", who: "t", reason: "", nowMs: 1 })),
    ).rejects.toMatchObject({
      code: "closed",
    });
    const stuck = setUp();
    stuck.log.failAlways(new PortError("unavailable", "no leader"));
    const waiting = stuck.client.submit(0, start("b"));
    const [settled] = await Promise.allSettled([waiting, stuck.client.close(10)]);
    expect(settled).toMatchObject({ reason: { code: "closed" } });
    expect(log.entries(0)).toHaveLength(1);
  });
});
