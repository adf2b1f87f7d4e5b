/**
 * Due tasks of one queue that wait for a worker: by priority, then fairly across workflows, then by age. In memory and bounded
 * by its user; state is what remembers them.
 */

export interface Ready {
  readonly priority: number;
  readonly workflow: string;
}

/** Whether tasks of a workflow are wanted. */
export type Accepts = (workflow: string) => boolean;
const acceptsAll: Accepts = () => true;

/** First in, first out, without moving what is left on each step. */
class Fifo<T> {
  private items: T[] = [];
  private head = 0;

  get size(): number {
    return this.items.length - this.head;
  }

  push(item: T): void {
    this.items.push(item);
  }

  shift(): T | undefined {
    if (this.head >= this.items.length) return undefined;
    const item = this.items[this.head] as T;
    this.head += 1;
    if (this.head > 1_024 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }
}

/** The workflows of one priority, each with its tasks; the next task comes from the next workflow that has one. */
class Level<T extends Ready> {
  private readonly turns = new Fifo<string>();
  private readonly lists = new Map<string, Fifo<T>>();

  push(task: T): void {
    let list = this.lists.get(task.workflow);
    if (list === undefined) {
      list = new Fifo();
      this.lists.set(task.workflow, list);
      this.turns.push(task.workflow);
    }
    list.push(task);
  }

  get size(): number {
    return this.lists.size;
  }

  /** The next task of a workflow that is accepted; the others keep their turns. */
  shift(accepts: Accepts): T | undefined {
    for (let turn = this.turns.size; turn > 0; turn--) {
      const workflow = this.turns.shift() as string;
      if (!accepts(workflow)) {
        this.turns.push(workflow);
        continue;
      }
      const list = this.lists.get(workflow) as Fifo<T>;
      const task = list.shift();
      if (list.size > 0) this.turns.push(workflow);
      else this.lists.delete(workflow);
      return task;
    }
    return undefined;
  }
}

export class ReadyQueue<T extends Ready> {
  private readonly levels = new Map<number, Level<T>>();
  /** Highest first. */
  private priorities: number[] = [];
  private count = 0;

  get size(): number {
    return this.count;
  }

  push(task: T): void {
    let level = this.levels.get(task.priority);
    if (level === undefined) {
      level = new Level();
      this.levels.set(task.priority, level);
      this.priorities = [...this.levels.keys()].sort((a, b) => b - a);
    }
    level.push(task);
    this.count += 1;
  }

  /** The first task, of those workflows that are accepted. */
  shift(accepts: Accepts = acceptsAll): T | undefined {
    for (const priority of this.priorities) {
      const level = this.levels.get(priority) as Level<T>;
      const task = level.shift(accepts);
      if (task === undefined) continue;
      this.count -= 1;
      if (level.size === 0) {
        this.levels.delete(priority);
        this.priorities = this.priorities.filter((other) => other !== priority);
      }
      return task;
    }
    return undefined;
  }
}
