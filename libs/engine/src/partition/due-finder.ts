/**
 * Finds due tasks that had no room in memory, when there is some: none is forgotten, and each look goes on where the last one stood.
 *
 * 1. A lane is what one kind of worker takes: a workflow's tasks of one queue. One that nobody takes holds up no other.
 * 2. A lane knows some runs whose tasks found no room. Those beyond are found by going through all active runs of the workflow once, the oldest
 *    first; what is missed behind that place meanwhile is among the known runs, or has it begin anew once it is through.
 * 3. A survey goes through the active runs of all workflows, when this node becomes the owner and when a pause ends: what finds no room has
 *    its lane go on from there.
 * 4. Nothing is lost between looking and waiting: each look is a flight that remembers its wake-ups.
 */
import {
  type DueTask,
  isPaused,
  prefixEnd,
  readStatusKey,
  runKey,
  statusKey,
  statusPrefix,
} from "@holdfast/core";
import { type AppliedRecord, RunStatus } from "@holdfast/proto";
import type { ProcessorDeps } from "./deps.js";
import { horizonOf, type Lane, newLane, passFrom } from "./due-lane.js";
import { dueTasksOf, loadsOf, workflowNames } from "./due-work.js";
import type { LoadWanted } from "./loader.js";
import { SingleFlight } from "./single-flight.js";
import type { PartitionState } from "./state.js";

const WORKFLOWS_MAX = 100_000;
/** Beyond them a survey is made once another one is done with. */
const LANES_MAX = 10_000;
/** Runs that a lane knows one by one. */
const RUNS_A_LANE = 1_000;
/** What known runs may take of the room while there are others: they have begun, and are to end. */
const KNOWN_PART = 7 / 8;
/** Runs whose records are read together. */
const RUNS_AT_ONCE = 64;

export interface DueFinderDeps extends Pick<ProcessorDeps, "clock" | "logger" | "partition"> {
  readonly limits: Pick<ProcessorDeps["limits"], "derivePage">;
  readonly state: () => PartitionState;
  readonly applied: () => AppliedRecord;
  offer(task: DueTask): "taken" | "known" | "full";
  /** How many more tasks of a lane there is room for. */
  room(workflow: string, queue: string): number;
  /** `roomAgain` is to be called once there is room for more of a lane. */
  wantsRoom(workflow: string, queue: string): void;
  /** All that was found has been offered. */
  offered(): void;
  wantLoad(load: LoadWanted): void;
  /** A task was due, and nobody knew: an audit found it. */
  foundLost(task: DueTask): void;
}

export class DueFinder {
  /** Others once it was restarted: a look that is under way then ends with the old ones. */
  private lanes = new Map<string, Lane>();
  /** Workflows that the survey has not come to, and how far it is in the first; undefined: none is under way. */
  private survey: { workflows: string[] | undefined; after: string } | undefined;
  /** A lane was left out: they are too many. */
  private leftOut = false;
  private stopped = true;
  private firstDone: (() => void) | undefined;
  private readonly flight: SingleFlight;
  /** The survey that is under way is to find nothing. */
  private auditing = false;
  /** Runs that were looked at, for whoever watches whether it gets on. */
  looked = 0;

  constructor(private readonly deps: DueFinderDeps) {
    const { logger, partition } = deps;
    this.flight = new SingleFlight(
      {
        clock: deps.clock,
        failed: (err) =>
          logger.error("due work could not be looked up; it is tried again", { partition, err }),
      },
      () => this.look(),
    );
  }

  /** This node is the owner now. Resolves when all that is due was found, or all that there is room for. */
  begin(): Promise<void> {
    this.stopped = false;
    const first = new Promise<void>((resolve) => {
      this.firstDone = resolve;
    });
    this.all();
    return first;
  }

  stop(): void {
    this.stopped = true;
    this.flight.stop();
    this.lanes.clear();
    this.survey = undefined;
    this.settleFirst();
  }

  /** Lanes with due tasks that found no room, as far as is known. */
  get waiting(): Iterable<{ readonly workflow: string; readonly queue: string }> {
    return this.lanes.values();
  }

  /** A due task found no room. */
  missed(task: DueTask): void {
    if (this.stopped) return;
    const lane = this.laneOf(task.workflow, task.queue);
    if (lane !== undefined) this.note(lane, task.runId);
  }

  /** There may be room. */
  roomAgain(): void {
    if (this.lanes.size > 0 || this.survey !== undefined) this.flight.wake();
  }

  /** It looks, or is about to. */
  get isLooking(): boolean {
    return this.survey !== undefined || this.flight.busy;
  }

  /** All seems to be done: whether it is. What is found is told as lost. */
  audit(): void {
    if (this.stopped || this.isLooking) return;
    this.all();
    this.auditing = true;
  }

  /** Anything may be due that was not offered: all active runs are looked at. */
  all(): void {
    if (this.stopped) return;
    this.auditing = false;
    this.survey = { workflows: undefined, after: "" };
    this.flight.wake();
  }

  /** As `all`, whatever a look that is under way does. */
  restart(): void {
    if (this.stopped) return;
    this.lanes = new Map();
    this.auditing = false;
    this.survey = { workflows: undefined, after: "" };
    this.flight.restart();
  }

  /** What is due of one run is offered at once. */
  ofRun(runId: string): void {
    if (this.stopped) return;
    for (const load of loadsOf(this.deps.state(), runId)) this.deps.wantLoad(load);
    const full = new Set<string>();
    for (const task of dueTasksOf(this.deps.state(), runId)) {
      if (full.has(task.queue) || this.deps.offer(task) !== "full") continue;
      full.add(task.queue);
      this.missed(task);
      this.deps.wantsRoom(task.workflow, task.queue);
    }
  }

  private laneOf(workflow: string, queue: string): Lane | undefined {
    const key = `${workflow}\0${queue}`;
    let lane = this.lanes.get(key);
    if (lane !== undefined) return lane;
    if (this.lanes.size >= LANES_MAX) {
      this.leftOut = true;
      return undefined;
    }
    lane = newLane(key, workflow, queue);
    this.lanes.set(key, lane);
    return lane;
  }

  private note(lane: Lane, runId: string): void {
    if (lane.runs.has(runId)) return;
    const key = lane.after === undefined ? undefined : this.activeKey(lane, runId);
    if (key !== undefined && key > (lane.after as string)) {
      if (lane.meanwhile !== undefined && lane.meanwhile.length < RUNS_A_LANE) {
        lane.meanwhile.push(key);
        return;
      }
      if (lane.meanwhile === undefined && key > horizonOf(lane)) {
        lane.beyond = true;
        return;
      }
    }
    if (lane.runs.size < RUNS_A_LANE) lane.runs.add(runId);
    else if (lane.after === undefined) passFrom(lane, "");
    else lane.again = true;
  }

  /** Where a run stands among the active ones. */
  private activeKey({ workflow }: Lane, runId: string): string | undefined {
    const run = this.deps.state().get(runKey(runId));
    if (run?.status !== RunStatus.RUNNING) return undefined;
    return statusKey(workflow, RunStatus.RUNNING, run.createdAtNs, runId);
  }

  /** Fills what room there is, until there is nothing more to find or no room for it. */
  private async look(): Promise<void> {
    const { lanes } = this;
    for (let moved = true; moved && !this.stopped; ) {
      moved = this.survey !== undefined && (await this.surveyPage(this.survey));
      for (const lane of lanes.values()) {
        if (this.stopped || lanes !== this.lanes) return;
        if (await this.fill(lane)) moved = true;
      }
      this.deps.offered();
    }
    if (this.survey === undefined) this.settleFirst();
  }

  private settleFirst(): void {
    this.firstDone?.();
    this.firstDone = undefined;
  }

  /** Looks at some active runs of one workflow. False once it is through. */
  private async surveyPage(survey: NonNullable<DueFinder["survey"]>): Promise<boolean> {
    const { state, limits } = this.deps;
    survey.workflows ??= await workflowNames(state(), WORKFLOWS_MAX);
    const workflow = survey.workflows[0];
    if (workflow === undefined) {
      if (this.survey === survey) this.survey = undefined;
      return false;
    }
    const { derivePage } = limits;
    const keys = this.isPaused(workflow) ? [] : await this.activeAfter(workflow, survey.after, derivePage);
    for (let at = 0; at < keys.length && !this.stopped; at += RUNS_AT_ONCE) {
      const some = keys.slice(at, at + RUNS_AT_ONCE);
      await this.loadRuns(some);
      for (const key of some) {
        this.surveyRun(readStatusKey(key).runId, survey.after);
        survey.after = key;
      }
    }
    // What becomes active after this reading is offered as it does.
    if (keys.length < derivePage) {
      survey.workflows.shift();
      survey.after = "";
    }
    return true;
  }

  private surveyRun(runId: string, before: string): void {
    this.looked += 1;
    for (const load of loadsOf(this.deps.state(), runId)) this.deps.wantLoad(load);
    for (const task of dueTasksOf(this.deps.state(), runId)) {
      const lane = this.lanes.get(`${task.workflow}\0${task.queue}`);
      // Its own look comes to it.
      if (lane?.after !== undefined && horizonOf(lane) <= before) continue;
      const answer = this.deps.offer(task);
      if (answer === "taken" && this.auditing) {
        this.auditing = false;
        this.deps.foundLost(task);
      }
      if (answer !== "full") continue;
      this.settleFirst();
      const full = this.laneOf(task.workflow, task.queue);
      if (full === undefined) continue;
      if (full.after === undefined) passFrom(full, before);
      else this.note(full, runId);
    }
  }

  /** Offers a lane's tasks as far as there is room. False where there is none, or nothing was left. */
  private async fill(lane: Lane): Promise<boolean> {
    const { workflow, queue } = lane;
    if (this.isPaused(workflow)) {
      // The end of the pause is a reason to look through everything.
      this.drop(lane);
      return false;
    }
    const room = this.deps.room(workflow, queue);
    if (room <= 0) {
      this.deps.wantsRoom(workflow, queue);
      return false;
    }
    const most = Math.min(room - 1, Math.ceil(room * KNOWN_PART));
    await this.fillFromRuns(lane, lane.after === undefined || lane.runsFirst ? room : most);
    lane.runsFirst = room === 1 && !lane.runsFirst;
    if (lane.after !== undefined) await this.goOn(lane);
    if (lane.runs.size === 0 && lane.after === undefined) {
      this.drop(lane);
      return false;
    }
    return true;
  }

  private drop(lane: Lane): void {
    if (this.lanes.get(lane.key) === lane) this.lanes.delete(lane.key);
    if (!this.leftOut) return;
    this.leftOut = false;
    this.all();
  }

  private async fillFromRuns(lane: Lane, most: number): Promise<void> {
    let left = most;
    while (left > 0 && lane.runs.size > 0 && !this.stopped) {
      const some: string[] = [];
      for (const runId of lane.runs) if (some.push(runId) === Math.min(left, RUNS_AT_ONCE)) break;
      await this.loadRecords(some);
      for (const runId of some) {
        if (left <= 0) return;
        // Before its tasks are offered: one that is missed meanwhile makes it known again.
        lane.runs.delete(runId);
        const taken = this.offerRun(lane, runId, left);
        if (taken === undefined) {
          lane.runs.add(runId);
          return;
        }
        left -= taken;
      }
    }
  }

  /** Goes on through the active runs. */
  private async goOn(lane: Lane): Promise<void> {
    const { limits } = this.deps;
    while (lane.after !== undefined && !this.stopped) {
      if (lane.ahead.length === 0) {
        await this.readAhead(lane, lane.after, limits.derivePage);
        if (lane.ahead.length === 0 && !lane.beyond) {
          lane.after = undefined;
          if (lane.again) passFrom(lane, "");
          return;
        }
      }
      const room = this.deps.room(lane.workflow, lane.queue);
      if (room <= 0) return;
      // Read backwards: what is next stands last.
      const some = lane.ahead.slice(-Math.min(room, RUNS_AT_ONCE)).toReversed();
      await this.loadRuns(some);
      for (const key of some) {
        if (this.offerRun(lane, readStatusKey(key).runId, Number.POSITIVE_INFINITY) === undefined) return;
        lane.after = key;
        lane.ahead.pop();
      }
    }
  }

  private async readAhead(lane: Lane, after: string, limit: number): Promise<void> {
    lane.beyond = false;
    lane.meanwhile = [];
    try {
      lane.ahead = (await this.activeAfter(lane.workflow, after, limit)).toReversed();
    } finally {
      const missed = lane.meanwhile;
      lane.meanwhile = undefined;
      for (const key of missed) this.note(lane, readStatusKey(key).runId);
    }
  }

  /** Offers a run's tasks of a lane. How many were taken; undefined where some were left over. */
  private offerRun({ queue }: Lane, runId: string, most: number): number | undefined {
    let taken = 0;
    this.looked += 1;
    for (const task of dueTasksOf(this.deps.state(), runId)) {
      if (task.queue !== queue) continue;
      if (taken >= most) return undefined;
      const answer = this.deps.offer(task);
      if (answer === "full") return undefined;
      if (answer === "known") continue;
      taken += 1;
    }
    return taken;
  }

  private async activeAfter(workflow: string, after: string, limit: number): Promise<string[]> {
    const prefix = statusPrefix(workflow, RunStatus.RUNNING);
    const from = after === "" ? prefix : `${after}\0`;
    return (await this.deps.state().range(from, prefixEnd(prefix), limit)).map(([key]) => key);
  }

  private loadRuns(keys: readonly string[]): Promise<void> {
    return this.loadRecords(keys.map((key) => readStatusKey(key).runId));
  }

  private async loadRecords(runIds: readonly string[]): Promise<void> {
    const state = this.deps.state();
    const missing = state.missing(runIds.map(runKey));
    if (missing.length > 0) await state.load(missing);
  }

  private isPaused(workflow: string): boolean {
    return isPaused(this.deps.applied(), workflow);
  }
}
