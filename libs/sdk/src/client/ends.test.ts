/** Waiting for ends when the message that tells of one is lost, late, or was never promised. */
import { partitionOf } from "@holdfast/core";
import { PortError, QueryClient, querySubject, StartTicket, systemClock } from "@holdfast/engine";
import { MemoryNetwork } from "@holdfast/engine/memory";
import {
  OutcomeSchema,
  QueryErrorCode,
  QueryErrorSchema,
  QueryRequestSchema,
  type QueryResponse,
  QueryResponseSchema,
  RunEndedSchema,
  RunStatus,
  RunSummarySchema,
  RunViewSchema,
} from "@holdfast/proto";
import { decode, encode, init } from "@holdfast/proto/codec";
import { expect, it } from "vitest";
import { type EndsLimits, Ends } from "./ends.js";

const LIMITS: EndsLimits = {
  maxAsking: 2,
  sweepMs: 2,
  toldAskMs: 30,
  untoldAskMs: 5,
  unknownMs: 100,
  askMsMax: 60,
  untoldAskMsMax: 10,
};

/** A partition whose runs are as `status` says; undefined: not found. */
function setUp(status: (runId: string) => RunStatus | undefined) {
  const network = new MemoryNetwork();
  const asked: string[] = [];
  let now = 0;
  let most = 0;
  const bus = network.bus();
  bus.subscribe(querySubject(partitionOf("any", 1)), (message) => {
    const { kind } = decode(QueryRequestSchema, message.data);
    const runId = kind.case === "getRun" ? kind.value.runId : "";
    asked.push(runId);
    most = Math.max(most, ++now);
    setTimeout(() => {
      now--;
      message.respond(
        encode(QueryResponseSchema, init(QueryResponseSchema, { result: resultOf(runId, status(runId)) })),
      );
    }, 1);
  });
  const queries = new QueryClient({ bus: network.bus(), partitions: 1 });
  return { ends: new Ends(queries, systemClock, LIMITS), asked, most: () => most };
}

function resultOf(runId: string, status: RunStatus | undefined): QueryResponse["result"] {
  if (status === undefined) {
    const value = init(QueryErrorSchema, {
      code: QueryErrorCode.NOT_FOUND,
      message: `there is no run ${runId}`,
    });
    return { case: "error", value };
  }
  return { case: "run", value: init(RunViewSchema, { summary: init(RunSummarySchema, { runId, status }) }) };
}

const ticketOf = (): StartTicket => new StartTicket(() => Promise.resolve(init(OutcomeSchema)));
const completed = (runId: string) => init(RunEndedSchema, { runId, status: RunStatus.COMPLETED });

it("an end that is told is not asked for", async () => {
  const { ends, asked } = setUp(() => RunStatus.RUNNING);
  const ticket = ticketOf();
  const waiting = ends.wait("r", ticket);
  ticket.end(completed("r"));
  expect((await waiting).status).toBe(RunStatus.COMPLETED);
  expect((await ends.wait("r", ticket)).status).toBe(RunStatus.COMPLETED);
  expect(asked).toEqual([]);
});

it("an end whose message was lost is found by asking", async () => {
  const { ends } = setUp(() => RunStatus.CANCELLED);
  expect((await ends.wait("r", ticketOf())).status).toBe(RunStatus.CANCELLED);
});

it("an end that nobody listens for any more is found by asking soon", async () => {
  let status = RunStatus.RUNNING;
  const { ends, asked } = setUp(() => status);
  const ticket = ticketOf();
  const waiting = ends.wait("r", ticket);
  ticket.lose(new PortError("not-found", "too many are awaited"));
  await expect.poll(() => asked.length).toBeGreaterThan(1);
  status = RunStatus.FAILED;
  expect((await waiting).status).toBe(RunStatus.FAILED);
});

it("many are asked after, a few at a time", async () => {
  const { ends, most } = setUp(() => RunStatus.COMPLETED);
  const all = await Promise.all(Array.from({ length: 50 }, (_, i) => ends.wait(`r-${i}`)));
  expect(all.map((ended) => ended.runId)).toEqual(Array.from({ length: 50 }, (_, i) => `r-${i}`));
  expect(most()).toBeLessThanOrEqual(LIMITS.maxAsking);
});

it("a run that is not there is an error, and closing ends every wait", async () => {
  const { ends, asked } = setUp((runId) => (runId === "there" ? RunStatus.RUNNING : undefined));
  await expect(ends.wait("gone")).rejects.toMatchObject({ code: "NOT_FOUND" });
  // Not at once: what was published is begun a little later.
  expect(asked.length).toBeGreaterThan(1);
  const waiting = ends.wait("there");
  ends.close(new Error("closed"));
  await expect(waiting).rejects.toThrow("closed");
});

it("a run that comes a little later than its wait is waited for", async () => {
  let asked = 0;
  const { ends } = setUp(() => (++asked < 4 ? undefined : RunStatus.COMPLETED));
  expect((await ends.wait("published")).status).toBe(RunStatus.COMPLETED);
});
