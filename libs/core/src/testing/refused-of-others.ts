/** How commands about workflows, breakers, schedules and messages are refused. */
import {
  AttentionToldSchema,
  BreachesFoundSchema,
  BreachSchema,
  DefineWorkflowSchema,
  HeldTaskSchema,
  PausedWorkflowSchema,
  PauseRequestSchema,
  RetentionPolicySchema,
  ScheduleChange,
  TasksHeldSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import {
  BREACHES_KEPT_MAX,
  PAUSED_WORKFLOWS_MAX,
  SCHEDULE_LIVE_MAX,
  SCHEDULES_MAX,
  TASKS_HELD_MAX,
} from "../limits.js";
import { action, command, define, delivered, delivery, workflow } from "./build.js";
import { changeSchedule, plan, putSchedule, schedulePlanned, specOf } from "./schedule-build.js";
import {
  type Case,
  asOwner,
  STORED,
  LARGE,
  pauseAll,
  resumeAll,
  breaker,
  reset,
  open,
  keep,
  scheduled,
  full,
  stranger,
} from "./refused-scene.js";

export const REFUSED_OF_OTHERS: readonly Case[] = [
  ["pauseWorkflow", "INVALID_NAME", "a name that is none", (p) => p.control(pauseAll("a b"))],
  ["pauseWorkflow", "UNKNOWN_WORKFLOW", "one that nobody has", (p) => p.control(pauseAll("nowhere"))],
  [
    "pauseWorkflow",
    "PAUSED",
    "a paused one",
    (p) => (p.control(pauseAll("one")), p.control(pauseAll("one"))),
  ],
  [
    "pauseWorkflow",
    "TOO_LARGE",
    "too many",
    (p) => {
      const paused = init(PausedWorkflowSchema, { workflow: "some", pause: init(PauseRequestSchema) });
      full(p, (applied) => {
        applied.paused = Array.from({ length: PAUSED_WORKFLOWS_MAX }, () => paused);
      });
      return p.control(pauseAll("one"));
    },
  ],
  ["resumeWorkflow", "INVALID_NAME", "a name that is none", (p) => p.control(resumeAll("a b"))],
  ["resumeWorkflow", "NOT_PAUSED", "one that goes on", (p) => p.control(resumeAll("one"))],
  [
    "attentionTold",
    "MALFORMED",
    "beyond the log",
    (p) =>
      asOwner(p, command({ case: "attentionTold", value: init(AttentionToldSchema, { upToSeq: 1_000n }) })),
  ],
  [
    "breachesFound",
    "TOO_LARGE",
    "more than are kept",
    (p) => {
      const breaches = Array.from({ length: BREACHES_KEPT_MAX + 1 }, () =>
        init(BreachSchema, { rule: "I4" }),
      );
      return asOwner(p, command({ case: "breachesFound", value: init(BreachesFoundSchema, { breaches }) }));
    },
  ],
  [
    "tasksHeld",
    "TOO_LARGE",
    "too many at once",
    (p) => {
      const tasks = Array.from({ length: TASKS_HELD_MAX + 1 }, () => init(HeldTaskSchema, { runId: "r" }));
      return asOwner(p, command({ case: "tasksHeld", value: init(TasksHeldSchema, { tasks }) }));
    },
  ],
  [
    "changeBreaker",
    "INVALID_NAME",
    "a name that is none",
    (p) => p.control(breaker({ action: "a b", change: reset })),
  ],
  ["changeBreaker", "MALFORMED", "without a change", (p) => p.control(breaker({}))],
  [
    "changeBreaker",
    "MALFORMED",
    "with an endless key",
    (p) => p.control(breaker({ key: "k".repeat(9_999), change: reset })),
  ],
  ["changeBreaker", "MALFORMED", "until it was", (p) => p.control(breaker({ change: open(1n) }))],
  [
    "changeBreaker",
    "NO_SUCH_BREAKER",
    "of an action without one",
    (p) => p.control(breaker({ workflow: "one", change: open(0n) })),
  ],
  ["changeBreaker", "BREAKER_CLOSED", "a closed one", (p) => p.control(breaker({ change: reset }))],
  ["setRetention", "INVALID_NAME", "of a name that is none", (p) => p.control(keep({ workflow: "a b" }))],
  [
    "setRetention",
    "MALFORMED",
    "a policy that can't be",
    (p) => p.control(keep({ policy: init(RetentionPolicySchema, { failedRetentionS: 4_000_000_000 }) })),
  ],
  [
    "defineWorkflow",
    "MALFORMED",
    "nothing",
    (p) => p.send(command({ case: "defineWorkflow", value: init(DefineWorkflowSchema) })),
  ],
  ["defineWorkflow", "INVALID_DEFINITION", "without actions", (p) => p.send(define(workflow("none", [])))],
  [
    "defineWorkflow",
    "INVALID_DEFINITION",
    "under another's hash",
    (p) => p.send(define(workflow("w", [action("a")]), "0".repeat(32))),
  ],
  ["putSchedule", "INVALID_NAME", "a name that is none", (p) => p.control(putSchedule("a b", specOf("one")))],
  [
    "putSchedule",
    "INVALID_SCHEDULE",
    "without instants",
    (p) => p.control(putSchedule("tick", specOf("one", { cron: "" }))),
  ],
  [
    "putSchedule",
    "MALFORMED",
    "with an input that is nowhere",
    (p) => p.control(putSchedule("tick", specOf("one", { input: STORED }))),
  ],
  [
    "putSchedule",
    "TOO_LARGE",
    "with too large an input",
    (p) => p.control(putSchedule("tick", specOf("one", { input: LARGE }))),
  ],
  [
    "putSchedule",
    "TOO_LARGE",
    "too many",
    (p) => {
      full(p, (applied) => {
        applied.schedules = SCHEDULES_MAX;
      });
      return p.control(putSchedule("tick", specOf("one")));
    },
  ],
  [
    "putSchedule",
    "SCHEDULE_EXISTS",
    "that is to be new",
    (p) => (scheduled(p), p.control(putSchedule("tick", specOf("one"), { createOnly: true }))),
  ],
  [
    "changeSchedule",
    "INVALID_NAME",
    "a name that is none",
    (p) => p.control(changeSchedule("a b", ScheduleChange.PAUSE)),
  ],
  [
    "changeSchedule",
    "NO_SUCH_SCHEDULE",
    "none",
    (p) => p.control(changeSchedule("tick", ScheduleChange.PAUSE)),
  ],
  [
    "changeSchedule",
    "MALFORMED",
    "to nothing",
    (p) => (scheduled(p), p.control(changeSchedule("tick", ScheduleChange.UNSPECIFIED))),
  ],
  [
    "changeSchedule",
    "PAUSED",
    "paused twice",
    (p) => {
      scheduled(p);
      p.control(changeSchedule("tick", ScheduleChange.PAUSE));
      return p.control(changeSchedule("tick", ScheduleChange.PAUSE));
    },
  ],
  [
    "changeSchedule",
    "NOT_PAUSED",
    "resumed as it goes on",
    (p) => (scheduled(p), p.control(changeSchedule("tick", ScheduleChange.RESUME))),
  ],
  [
    "changeSchedule",
    "TOO_LARGE",
    "triggered too often",
    (p) => {
      scheduled(p);
      for (let i = 0; i < SCHEDULE_LIVE_MAX; i++) p.control(changeSchedule("tick", ScheduleChange.TRIGGER));
      return p.control(changeSchedule("tick", ScheduleChange.TRIGGER));
    },
  ],
  ["schedulePlanned", "NO_SUCH_SCHEDULE", "of none", (p) => asOwner(p, schedulePlanned({ name: "tick" }))],
  [
    "schedulePlanned",
    "NOT_WAITING",
    "of another revision",
    (p) => (scheduled(p), plan(p, "tick", { revision: 99n })),
  ],
  [
    "schedulePlanned",
    "MALFORMED",
    "an instant in the past",
    (p) => (scheduled(p), plan(p, "tick", { nextNs: 1n })),
  ],
  ["deliverMessages", "MALFORMED", "none", (p) => p.send(delivery([]))],
  ["deliverMessages", "MALFORMED", "from nowhere", (p) => p.send(delivery([stranger], { from: 9 }))],
  [
    "deliverMessages",
    "MESSAGE_GAP",
    "not the next ones",
    (p) => p.send(delivery([stranger], { firstN: 3n, stored: 0n })),
  ],
  [
    "deliverMessages",
    "STALE_SENDER",
    "of a log that was made anew",
    (p) => (
      p.send(delivery([stranger], { incarnation: 5n })), p.send(delivery([stranger], { incarnation: 4n }))
    ),
  ],
  ["messagesDelivered", "MALFORMED", "more than were sent", (p) => asOwner(p, delivered(0, 4n))],
];
