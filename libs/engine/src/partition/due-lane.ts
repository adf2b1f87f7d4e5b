/** What one kind of worker takes of a partition, and found no room for: a workflow's due tasks of one queue, and how far it was looked for them. */
export interface Lane {
  readonly key: string;
  readonly workflow: string;
  readonly queue: string;
  /** Runs with tasks that found no room. */
  readonly runs: Set<string>;
  /** How far it has gone through the active runs, by their keys; undefined: it need not. */
  after: string | undefined;
  /** Keys that were read beyond that, not looked at yet, the last one first. */
  ahead: string[];
  /** While they are being read: keys of what was missed beyond `after`. */
  meanwhile: string[] | undefined;
  /** A task beyond what was read was missed since the last reading began. */
  beyond: boolean;
  /** A task of a run that it had passed was missed, and the run is not known: it begins anew once it is through. */
  again: boolean;
  /** With room for a single task, known runs and the others take turns. */
  runsFirst: boolean;
}

export const newLane = (key: string, workflow: string, queue: string): Lane => ({
  key,
  workflow,
  queue,
  runs: new Set(),
  after: undefined,
  ahead: [],
  meanwhile: undefined,
  beyond: false,
  again: false,
  runsFirst: true,
});

/** The last run that was read of those beyond. */
export const horizonOf = (lane: Lane): string => lane.ahead[0] ?? lane.after ?? "";

/** It goes through the active runs from there. */
export function passFrom(lane: Lane, after: string): void {
  lane.after = after;
  lane.ahead = [];
  lane.beyond = true;
  lane.again = false;
}
