/** What a node counts, and what it shows of itself. */
import type { MetricsRegistry } from "@holdfast/telemetry";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import type { ProcessorMetrics } from "../partition/deps.js";
import type { Processor } from "../partition/processor.js";

export interface Shown {
  readonly dispatcher: Dispatcher;
  readonly processors: readonly Processor[];
  /** Partitions of which something is the matter. */
  readonly problems: () => number;
  /** Partitions that nobody who lives owns. */
  readonly ownerless: () => number;
  readonly logBytes: () => number;
  readonly clockOffsetMs: () => number;
}

export function showNode(registry: MetricsRegistry, shown: Shown): void {
  const { dispatcher, processors } = shown;
  const show = (name: string, help: string, read: () => number): void =>
    registry.observe({ name, help }, read);
  show(
    "holdfast_ready_tasks",
    "Due tasks that wait for a worker; where it grows, start workers, or raise their concurrency",
    () => dispatcher.readyCount,
  );
  show(
    "holdfast_unserved_tasks",
    "Due tasks whose function no worker of their queue has: they wait, and spend nothing; start a worker that has it",
    () => dispatcher.unservedCount,
  );
  show(
    "holdfast_deaf_workers",
    "Workers that beat, but do not confirm what they are sent, and so are given nothing; look at their network, restart them",
    () => dispatcher.deafWorkers,
  );
  show(
    "holdfast_blocked_workers",
    "Workers that are silent though their connections stand: their threads are blocked, or they were stopped; `holdfast cluster` says by what",
    () => dispatcher.blockedWorkers,
  );
  show(
    "holdfast_in_flight_tasks",
    "Tasks that workers have; none beside ready ones: workers are gone",
    () => dispatcher.inFlightCount,
  );
  show(
    "holdfast_retention_behind_seconds",
    "How long the oldest ended run that should be pruned has been due; where it grows, more ends than is pruned: look at `holdfast retention`",
    () => Math.max(0, ...processors.map((processor) => processor.retentionBehindMs / 1_000)),
  );
  show(
    "holdfast_open_breakers",
    "Circuit breakers that are not closed, over partitions; `holdfast breakers --open` says which and why",
    () => processors.reduce((sum, processor) => sum + processor.breakers.open, 0),
  );
  show(
    "holdfast_breaker_held_actions",
    "Actions whose attempts open circuit breakers hold; look at what they depend on",
    () => processors.reduce((sum, processor) => sum + processor.breakers.held, 0),
  );
  show(
    "holdfast_partitions_with_problems",
    "Partitions of which something is the matter; `holdfast cluster` says what",
    shown.problems,
  );
  show(
    "holdfast_partitions_without_owner",
    "Partitions that no living node owns, whose work stands still; start a node",
    shown.ownerless,
  );
  show(
    "holdfast_log_bytes",
    "Bytes of the partitions' logs, together; make room before they are full",
    shown.logBytes,
  );
  show(
    "holdfast_log_clock_offset_seconds",
    "By how much the clock of the log's server is ahead of this machine's, the most over partitions that this node acts for; far from 0: set the clocks",
    () => shown.clockOffsetMs() / 1_000,
  );
}

export function metricsOf(registry: MetricsRegistry): ProcessorMetrics {
  const counter = (name: string, help: string) => registry.counter({ name, help });
  return {
    commands: counter(
      "holdfast_commands_folded_total",
      "Commands folded into state; their rate is what the node does",
    ),
    entries: counter(
      "holdfast_entries_folded_total",
      "Log entries folded into state; an entry holds one command or many",
    ),
    commits: counter("holdfast_commits_total", "State commits; each holds what was folded since the last"),
    stale: counter(
      "holdfast_stale_reports_total",
      "Reports of attempts that were not the current ones, which change nothing; where it grows, leases or time limits are too short",
    ),
    breakerTransitions: counter(
      "holdfast_breaker_transitions_total",
      "Circuit breakers that changed state; where it grows, what they depend on comes and goes",
    ),
    breaches: counter(
      "holdfast_check_breaches_total",
      "Breaches of the rules that checks found: defects; `holdfast check` says which",
    ),
    instants: registry.counter({
      name: "holdfast_schedule_instants_total",
      help: "Instants of schedules that were planned, started, skipped or missed; of missed ones `holdfast attention` says why",
      labels: ["outcome"],
    }),
    instantsLateS: counter(
      "holdfast_schedule_late_seconds_total",
      "How late the instants were that started, together; where it grows faster than started ones, nodes are down or busy",
    ),
    messagesSent: counter(
      "holdfast_messages_sent_total",
      "Messages between partitions brought to a partition's log",
    ),
    foreign: counter(
      "holdfast_foreign_owner_entries_total",
      "Log entries that somebody else wrote in the name of a partition's owner; look who may publish there",
    ),
    messagesLost: counter(
      "holdfast_messages_lost_total",
      "Messages of another partition that can't be applied any more: a log was lost or made anew; look at the runs that the log line names",
    ),
    stalls: counter(
      "holdfast_stalls_total",
      "Times that due work stood still beside an idle worker: defects, mended by looking it up again; report them",
    ),
    unreadable: counter(
      "holdfast_unreadable_entries_total",
      "Log entries that could not be read, and were passed over; somebody else writes to the log, or it is of a newer version",
    ),
  };
}
