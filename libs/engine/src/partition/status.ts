/** How a partition fares, for people and monitors: what its processor and its node know of it, in one record. */
import { pausedText } from "@holdfast/core";
import {
  type AppliedRecord,
  type PartitionStatus,
  PartitionStatusSchema,
  PausedWorkflowViewSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import type { PortError } from "../ports/errors.js";
import { opensAgain } from "./open.js";
import type { Processor } from "./processor.js";

/** What the node knows: who else lives, and how the log is. */
export interface Beside {
  /** Shown where the partition itself has none. */
  readonly besideProblem: string;
  readonly ownerSilentMs: number;
  readonly logBytes: number;
  readonly logBytesMax: number;
  /** What is the matter with workers of this node. */
  readonly workerWarnings: readonly string[];
}

export const NOTHING_BESIDE: Beside = {
  besideProblem: "",
  ownerSilentMs: 0,
  logBytes: 0,
  logBytesMax: 0,
  workerWarnings: [],
};

export interface StatusParts extends Beside {
  readonly readyTasks: number;
  readonly inFlightTasks: number;
  readonly problem: string;
}

/** `applied`: undefined before the partition was opened. */
export function partitionStatus(
  { partition, phase, lastSeq, retentionBehindMs, breakers }: Processor,
  applied: AppliedRecord | undefined,
  { readyTasks, inFlightTasks, problem, besideProblem, ...beside }: StatusParts,
): PartitionStatus {
  return init(PartitionStatusSchema, {
    partition,
    state: phase,
    owner: applied?.owner ?? "",
    epoch: applied?.ownerEpoch ?? 0n,
    appliedSeq: applied?.seq ?? 0n,
    lastSeq: BigInt(lastSeq),
    problem: problem || besideProblem,
    readyTasks,
    inFlightTasks,
    retentionBehindMs: BigInt(retentionBehindMs),
    openBreakers: breakers.open,
    heldActions: breakers.held,
    paused: (applied?.paused ?? []).map(({ workflow }) =>
      init(PausedWorkflowViewSchema, {
        workflow,
        text: pausedText(applied as AppliedRecord, workflow) ?? "",
      }),
    ),
    ownerSilentMs: BigInt(Math.round(beside.ownerSilentMs)),
    logBytes: BigInt(beside.logBytes),
    logBytesMax: BigInt(beside.logBytesMax),
    workerWarnings: [...beside.workerWarnings],
  });
}

/** Why it is stopped, and whether somebody has to start it again. */
export const stoppedText = (problem: string, stoppedBy: unknown): string =>
  problem !== "" && opensAgain(stoppedBy)
    ? `${problem} (It is tried again by itself, every 30 s at least.)`
    : problem;

/** Why the owner can't write, for as long as it can't. */
export const troubleText = (partition: number, trouble: PortError | undefined): string =>
  trouble === undefined
    ? ""
    : `the owner of partition ${partition} can't write to its log, and tries again: ${trouble.message}`;
