/** What the owner does of what a fold asks for: one place that tells who is to do it. Decides nothing. */
import type { FoldEffect } from "@holdfast/core";
import { BreakerStatus, type RunEvent, RunEventType, RunStatus } from "@holdfast/proto";
import type { Logger } from "@holdfast/telemetry";
import type { ProcessorDeps } from "./deps.js";
import type { Outbox } from "./outbox.js";
import type { Owner } from "./owner.js";
import type { Processor } from "./processor.js";

export interface ActingDeps {
  readonly processor: Processor;
  readonly deps: Pick<ProcessorDeps, "sink" | "metrics" | "logger" | "guard">;
  /** The present one: each time of being owner has its own. */
  readonly owner: () => Owner;
  readonly outbox: Outbox;
  /** The last log sequence that was folded. */
  readonly seq: () => bigint;
}

/** Changes of a run's status, and what ends of it; the whole history is asked for. */
const isPublished = ({ runStatus, type }: RunEvent): boolean =>
  runStatus !== RunStatus.UNSPECIFIED ||
  type === RunEventType.ACTION_ENDED ||
  type === RunEventType.BATCH_ENDED;

export function actingOn({ processor, deps, owner, outbox, seq }: ActingDeps): (effect: FoldEffect) => void {
  const { sink, metrics } = deps;
  const act = (effect: FoldEffect): void => {
    switch (effect.kind) {
      case "dispatch":
        if (sink.offer(processor, effect.task) === "full") owner().overflowed(effect.task);
        return;
      case "closed":
        sink.closed(processor, effect.runId, effect.action, effect.item, effect.attempt);
        return;
      case "cancel-tasks":
        sink.cancel(processor, effect);
        return;
      case "reply":
        outbox.addOutcome(effect.inbox, effect.outcome);
        return;
      case "event":
        if (isPublished(effect.event)) outbox.addEvent(effect, seq());
        return;
      case "load-items":
        owner().loader.want(effect);
        return;
      case "timer":
        owner().timers.set(effect.dueNs);
        return;
      case "plan-schedule":
        owner().planner.want(effect.name);
        return;
      case "instants":
        metrics.instants.labels(effect.outcome).inc(Number(effect.count));
        if (effect.lateNs > 0n) metrics.instantsLateS.inc(Number(effect.lateNs) / 1e9);
        return;
      case "bulk":
        owner().bulk.want(effect.operationId);
        return;
      case "messages":
        owner().courier.wake(effect.to);
        return;
      case "message-trouble":
        owner().courier.note(effect);
        return;
      case "due-again":
        owner().dueAgain(effect.runId);
        return;
      case "returned":
        sink.returned(processor, effect);
        return;
      case "overdue":
        sink.overdue(processor, effect);
        return;
      case "attention":
        owner().announcer.tell(effect.attention);
        return;
      case "dead-letter":
        outbox.addDeadLetter(effect.letter);
        return;
      case "breaker":
        metrics.breakerTransitions.inc();
        tellTransition(deps.logger, effect);
        return;
      case "sweep":
        owner().sweeper.wake();
        return;
      case "owner":
        owner().folded(effect.node, effect.epoch, effect.process);
        return;
      case "stale-report":
        metrics.stale.inc();
    }
  };
  // What an effect throws is its own: the state is folded, and whoever owns the partition next finds in it what is due.
  return (effect) => {
    try {
      act(effect);
    } catch (error) {
      deps.guard.refuse("effect", effect.kind, error);
    }
  };
}

function tellTransition(logger: Logger, effect: Extract<FoldEffect, { kind: "breaker" }>): void {
  const { workflow, action, key, from, to, cause, who } = effect;
  const fields = { workflow, action, key, from: BreakerStatus[from], to: BreakerStatus[to], cause, who };
  if (to === BreakerStatus.OPEN) logger.warn("a circuit breaker opened", fields);
  else logger.info("a circuit breaker changed state", fields);
}
