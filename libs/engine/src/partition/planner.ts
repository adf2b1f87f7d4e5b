/**
 * Computes the next instants of schedules, and says them to the log; the fold keeps each, and decides what becomes of it.
 *
 * 1. Whatever needs a plan is found in state: told by an effect while this node is the owner, looked up when it becomes it.
 * 2. A schedule is planned once at a time. A plan that did not count, since the log's clock is behind, is made again after a pause.
 * 3. One that can't be planned is tried once by each owner: another node may know its time zone.
 */
import { needsPlan, scheduleKey, takesPlan } from "@holdfast/core";
import { type AppliedRecord, type Command, CommandSchema } from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { planOf } from "../cron/plan.js";
import type { ProcessorDeps } from "./deps.js";
import type { LogTime } from "./log-time.js";
import { SingleFlight } from "./single-flight.js";
import type { PartitionState } from "./state.js";

const AGAIN_MS = 1_000;
/** Schedules that are planned together, and that are looked at in one go. */
const AT_ONCE = 64;
const PAGE = 256;

export interface PlannerDeps extends Pick<ProcessorDeps, "clock" | "logger" | "partition"> {
  readonly state: () => PartitionState;
  readonly applied: () => AppliedRecord;
  readonly logTime: Pick<LogTime, "nowNs">;
  /** Resolves with its log sequence once the command is durable; rejects with `closed` once this node is the owner no more. */
  write(command: Command): Promise<number>;
  folded(seq: number): Promise<void>;
}

export class Planner {
  private readonly wanted = new Set<string>();
  /** Whatever needs a plan is to be found in state: what was wanted is not known any more. */
  private lost = false;
  private stopped = true;
  private readonly flight: SingleFlight;

  constructor(private readonly deps: PlannerDeps) {
    const { clock, logger, partition } = deps;
    const failed = (err: unknown): void => {
      this.lost = true;
      logger.error("schedules could not be planned; it is tried again", { partition, err });
    };
    this.flight = new SingleFlight({ clock, failed }, () => this.drain());
  }

  /** This node is the owner now. */
  async begin(): Promise<void> {
    this.stopped = false;
    if (this.deps.applied().schedules === 0) return;
    for (let from = "e"; ; ) {
      const rows = await this.deps.state().range(from, "f", PAGE);
      for (const [key] of rows) {
        const record = this.deps.state().get(scheduleKey(key.slice(1)));
        if (record !== undefined && takesPlan(record)) this.want(key.slice(1), true);
      }
      const last = rows.at(-1)?.[0];
      if (last === undefined || rows.length < PAGE || this.stopped) return;
      from = `${last}\0`;
    }
  }

  stop(): void {
    this.stopped = true;
    this.flight.stop();
    this.wanted.clear();
  }

  /** Plans a schedule as soon as may be. `again`: also one that could not be planned before. */
  want(name: string, again = false): void {
    if (this.stopped || (!again && !this.needs(name))) return;
    this.wanted.add(name);
    this.flight.wake();
  }

  private needs(name: string): boolean {
    const record = this.deps.state().get(scheduleKey(name));
    return record !== undefined && needsPlan(record);
  }

  private async drain(): Promise<void> {
    if (this.lost) await this.begin();
    this.lost = false;
    while (this.wanted.size > 0 && !this.stopped) {
      const names = [...this.wanted].slice(0, AT_ONCE);
      for (const name of names) this.wanted.delete(name);
      await this.plan(names);
    }
  }

  private async plan(names: readonly string[]): Promise<void> {
    const { deps } = this;
    const nowNs = deps.logTime.nowNs();
    const plans = names.flatMap((name) => {
      const record = this.deps.state().get(scheduleKey(name));
      if (record === undefined || !takesPlan(record)) return [];
      const value = planOf(name, record, nowNs);
      return value.error !== "" && value.error === record.invalid ? [] : [value];
    });
    const written = plans.map((value) =>
      deps.write(init(CommandSchema, { kind: { case: "schedulePlanned", value } })),
    );
    await deps.folded(Math.max(0, ...(await Promise.all(written))));
    for (const { name, revision, afterNs, error } of plans) {
      const now = this.deps.state().get(scheduleKey(name));
      if (now === undefined || error !== "" || !takesPlan(now)) continue;
      if (now.revision !== revision || now.afterNs !== afterNs) this.wanted.add(name);
      else deps.clock.after(AGAIN_MS, () => this.want(name));
    }
  }
}
