/**
 * Asks workers what they run, for partitions whose owner this node has just become.
 *
 * 1. Asked once the announcement is folded: whatever an earlier owner sent before that is in the answers.
 * 2. Partitions that ask together are asked for together.
 */
import { RollCallSchema } from "@holdfast/proto";
import { encode, init } from "@holdfast/proto/codec";
import type { EngineLimits } from "../partition/limits.js";
import type { Bus } from "../ports/bus.js";
import type { Clock } from "../ports/clock.js";
import { ROLL_CALL } from "../subjects.js";
import type { Hearing } from "./hearing.js";

/** For others that become the owner's in the same moment. */
const GATHER_MS = 10;

export interface RollCallerDeps {
  readonly node: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly hearing: Hearing;
  readonly limits: Pick<EngineLimits, "rollCallMs">;
}

export class RollCaller {
  private next: Promise<void> | undefined;
  private stopped = false;

  constructor(private readonly deps: RollCallerDeps) {}

  /** Resolves once workers had time to answer a call that is made from now on. */
  call(): Promise<void> {
    this.next ??= this.callSoon();
    return this.next;
  }

  stop(): void {
    this.stopped = true;
  }

  private async callSoon(): Promise<void> {
    const { bus, hearing, limits, node } = this.deps;
    const call = encode(RollCallSchema, init(RollCallSchema, { node }));
    await this.pause(GATHER_MS);
    this.next = undefined;
    // Again where this node could not have heard the answers.
    do {
      await hearing.hears();
      if (this.stopped) return;
      bus.publish(ROLL_CALL, call);
      await this.pause(limits.rollCallMs);
    } while (hearing.forMs < limits.rollCallMs / 2);
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.deps.clock.after(ms, resolve));
  }
}
