/** How commands about one run are refused. */
import {
  BatchResultsSchema,
  FailureMode,
  MessageMarkRecordSchema,
  OnConflict,
  RecoveryStrategy,
  RestartSchema,
  type StartRun,
} from "@holdfast/proto";
import { type Init, init } from "@holdfast/proto/codec";
import { sentMarkKey } from "../state/tables.js";
import {
  BATCH_RESULTS_A_COMMAND_MAX,
  CANCEL_GRACE_MS_MAX,
  OUTBOX_MESSAGES_MAX,
  STEPS_MAX,
} from "../limits.js";
import { resultOf } from "./batch-moves.js";
import { cancel, command, failed, loaded, report, retry, start, succeeded } from "./build.js";
import {
  type Case,
  begun,
  ended,
  pruned,
  asOwner,
  STORED,
  LARGE,
  step,
  pause,
  resume,
  signal,
  decide,
  checking,
} from "./refused-scene.js";

const inPlaceOf = (runId: string): Init<StartRun> => ({ restarts: init(RestartSchema, { runId }) });

export const REFUSED_OF_RUNS: readonly Case[] = [
  ["startRun", "INVALID_NAME", "a run id that is none", (p) => p.send(start("a b", "one"))],
  ["startRun", "UNKNOWN_WORKFLOW", "of a workflow that nobody has", (p) => p.send(start("r", "nowhere"))],
  [
    "startRun",
    "MALFORMED",
    "with an input that is nowhere",
    (p) => p.send(start("r", "one", { input: STORED })),
  ],
  ["startRun", "TOO_LARGE", "with too large an input", (p) => p.send(start("r", "one", { input: LARGE }))],
  ["startRun", "RUN_EXISTS", "of another workflow", (p) => (begun(p), p.send(start("r", "other")))],
  [
    "startRun",
    "RUN_EXISTS",
    "that is to be fresh",
    (p) => (begun(p), p.send(start("r", "one", { onConflict: OnConflict.REJECT }))),
  ],
  ["startRun", "INVALID_NAME", "in the place of itself", (p) => p.send(start("r", "one", inPlaceOf("r")))],
  ["startRun", "INVALID_NAME", "in the place of none", (p) => p.send(start("r", "one", inPlaceOf("a b")))],
  [
    "startRun",
    "TOO_MANY_MESSAGES",
    "in the place of one that can't be told",
    (p) => {
      p.view.put(sentMarkKey(0), init(MessageMarkRecordSchema, { n: BigInt(OUTBOX_MESSAGES_MAX) }));
      p.announce();
      return p.send(start("r", "one", inPlaceOf("gone")));
    },
  ],
  ["startRun", "RUN_EXISTS", "that was pruned", (p) => (pruned(p), p.send(start("r", "one")))],
  [
    "startRun",
    "TERMINAL_MODE",
    "again, of one that needs a person",
    (p) => {
      ended(p, failed(FailureMode.POLICY_SECURITY));
      return p.send(start("r", "one", { onConflict: OnConflict.RETRY_IF_FAILED }));
    },
  ],
  ["checkpointStep", "STALE_ATTEMPT", "of no run", (p) => p.send(step())],
  ["checkpointStep", "STALE_ATTEMPT", "of another attempt", (p) => (begun(p), p.send(step({ attempt: 2 })))],
  ["checkpointStep", "INVALID_NAME", "without a name", (p) => (begun(p), p.send(step({ name: "" })))],
  ["checkpointStep", "TOO_LARGE", "too many", (p) => (begun(p), p.send(step({ index: STEPS_MAX })))],
  ["checkpointStep", "TOO_LARGE", "too large a result", (p) => (begun(p), p.send(step({ result: LARGE })))],
  [
    "checkpointStep",
    "MALFORMED",
    "a result that is nowhere",
    (p) => (begun(p), p.send(step({ result: STORED }))),
  ],
  [
    "taskReport",
    "STALE_ATTEMPT",
    "of no run",
    (p) => p.send(report("r", { attempt: 1, outcome: succeeded() })),
  ],
  [
    "taskReport",
    "STALE_ATTEMPT",
    "of an attempt that is over",
    (p) => (ended(p), p.send(report("r", { attempt: 1, outcome: succeeded() }))),
  ],
  [
    "batchResults",
    "STALE_ATTEMPT",
    "of no job",
    (p) => (
      begun(p), p.send(command({ case: "batchResults", value: init(BatchResultsSchema, { runId: "r" }) }))
    ),
  ],
  [
    "batchResults",
    "TOO_LARGE",
    "too many at once",
    (p) =>
      checking(p).bring(
        Array.from({ length: BATCH_RESULTS_A_COMMAND_MAX + 1 }, () => resultOf(0, succeeded())),
      ),
  ],
  [
    "batchResults",
    "NO_SUCH_RESULT",
    "of items of another job",
    (p) => checking(p).bring([resultOf(9, succeeded())]),
  ],
  ["itemsLoaded", "STALE_ATTEMPT", "of no action over items", (p) => (begun(p), asOwner(p, loaded("r", {})))],
  ["pauseRun", "RUN_NOT_FOUND", "no run", (p) => p.control(pause())],
  ["pauseRun", "PRUNED", "a pruned run", (p) => (pruned(p), p.control(pause()))],
  ["pauseRun", "ALREADY_ENDED", "an ended run", (p) => (ended(p), p.control(pause()))],
  [
    "pauseRun",
    "ALREADY_ENDED",
    "one being cancelled",
    (p) => (begun(p), p.control(cancel("r", "", 9_000)), p.control(pause())),
  ],
  ["pauseRun", "PAUSED", "a paused run", (p) => (begun(p), p.control(pause()), p.control(pause()))],
  ["resumeRun", "RUN_NOT_FOUND", "no run", (p) => p.control(resume())],
  ["resumeRun", "PRUNED", "a pruned run", (p) => (pruned(p), p.control(resume()))],
  ["resumeRun", "NOT_PAUSED", "a run that goes on", (p) => (begun(p), p.control(resume()))],
  ["signalRun", "RUN_NOT_FOUND", "no run", (p) => p.control(signal())],
  ["signalRun", "PRUNED", "a pruned run", (p) => (pruned(p), p.control(signal()))],
  ["signalRun", "INVALID_NAME", "of no name", (p) => (begun(p), p.control(signal("a b")))],
  ["signalRun", "ALREADY_ENDED", "an ended run", (p) => (ended(p), p.control(signal()))],
  ["signalRun", "MALFORMED", "with what is nowhere", (p) => (begun(p), p.control(signal("go", STORED)))],
  ["signalRun", "TOO_LARGE", "with too much", (p) => (begun(p), p.control(signal("go", LARGE)))],
  ["decideApproval", "RUN_NOT_FOUND", "no run", (p) => p.control(decide())],
  ["decideApproval", "PRUNED", "a pruned run", (p) => (pruned(p), p.control(decide()))],
  ["decideApproval", "NOT_WAITING", "what nobody asked", (p) => (begun(p), p.control(decide()))],
  [
    "decideApproval",
    "NOT_WAITING",
    "twice",
    (p) => (begun(p, "asks"), p.control(decide()), p.control(decide())),
  ],
  ["retryRun", "RUN_NOT_FOUND", "no run", (p) => p.control(retry("r"))],
  ["retryRun", "PRUNED", "a pruned run", (p) => (pruned(p), p.control(retry("r")))],
  ["retryRun", "NOT_FAILED", "a run that goes on", (p) => (begun(p), p.control(retry("r")))],
  ["retryRun", "NOT_FAILED", "a completed run", (p) => (ended(p), p.control(retry("r")))],
  [
    "retryRun",
    "NOT_RECOVERABLE",
    "a cancelled run",
    (p) => (begun(p), p.control(cancel("r")), p.control(retry("r"))),
  ],
  [
    "retryRun",
    "TERMINAL_MODE",
    "what needs a person",
    (p) => (ended(p, failed(FailureMode.SYSTEM_CRASH)), p.control(retry("r"))),
  ],
  [
    "retryRun",
    "UNSUPPORTED",
    "with a strategy that retries nothing",
    (p) => (ended(p, failed()), p.control(retry("r", { strategy: RecoveryStrategy.ABORT }))),
  ],
  ["cancelRun", "RUN_NOT_FOUND", "no run", (p) => p.control(cancel("r"))],
  ["cancelRun", "PRUNED", "a pruned run", (p) => (pruned(p), p.control(cancel("r")))],
  ["cancelRun", "ALREADY_ENDED", "an ended run", (p) => (ended(p), p.control(cancel("r")))],
  [
    "cancelRun",
    "MALFORMED",
    "with endless grace",
    (p) => (begun(p), p.control(cancel("r", "", CANCEL_GRACE_MS_MAX + 1))),
  ],
];
