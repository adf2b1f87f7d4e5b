/**
 * How often each handler really ran, counted where it runs. Rounds tell the time before a retry from the time after it.
 * A task may be delivered more than once, so calls and distinct items are two numbers.
 */

export interface RoundCount {
  readonly calls: number;
  /** Item indexes in ascending order; empty for an action that is not over items. */
  readonly items: readonly number[];
}

export class Invocations {
  private readonly rounds: Map<string, { calls: number; items: Set<number> }>[] = [new Map()];

  note(action: string, index?: number): void {
    const round = this.rounds.at(-1);
    const entry = round?.get(action) ?? { calls: 0, items: new Set<number>() };
    entry.calls += 1;
    if (index !== undefined) entry.items.add(index);
    round?.set(action, entry);
  }

  nextRound(): void {
    this.rounds.push(new Map());
  }

  /** `round` counts from 0. */
  of(action: string, round: number): RoundCount {
    const entry = this.rounds[round]?.get(action);
    return { calls: entry?.calls ?? 0, items: [...(entry?.items ?? [])].toSorted((a, b) => a - b) };
  }
}
