/** Tasks that workers have, of this node's partitions: each at one worker, counted where room is counted. */
import type { ReadyTasks } from "./ready-tasks.js";
import type { InFlight } from "./workers.js";

export class Flights {
  private readonly byKey = new Map<string, InFlight>();

  constructor(private readonly ready: ReadyTasks) {}

  get size(): number {
    return this.byKey.size;
  }

  has(key: string): boolean {
    return this.byKey.has(key);
  }

  get(key: string): InFlight | undefined {
    return this.byKey.get(key);
  }

  values(): Iterable<InFlight> {
    return this.byKey.values();
  }

  /** The one that was sent first. */
  get oldest(): InFlight | undefined {
    for (const flight of this.byKey.values()) return flight;
    return undefined;
  }

  takeOff(flight: InFlight): void {
    const { worker, task } = flight;
    this.byKey.set(flight.key, flight);
    worker.inFlight.set(flight.key, flight);
    worker.used.set(task.queue, (worker.used.get(task.queue) ?? 0) + 1);
    this.ready.load(flight.partition).inFlight += 1;
  }

  /** Its place at the worker is free. */
  land(flight: InFlight): void {
    const { worker, task } = flight;
    this.byKey.delete(flight.key);
    worker.inFlight.delete(flight.key);
    worker.used.set(task.queue, (worker.used.get(task.queue) ?? 1) - 1);
    this.ready.load(flight.partition).inFlight -= 1;
  }
}
