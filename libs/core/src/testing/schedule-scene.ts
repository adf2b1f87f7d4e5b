/** One schedule, `tick`, over four partitions, and short ways to work on it. One scene a test file: `setUp` begins it anew. */
import {
  type ScheduleChange,
  type ScheduledInstant,
  ScheduleOutcome,
  type ScheduleRecord,
} from "@holdfast/proto";
import { partitionOf } from "../names.js";
import { timeText } from "../text.js";
import { action, ONE_ATTEMPT, succeeded, workflow } from "./build.js";
import { TestCluster } from "./cluster.js";
import { checkPartition } from "./invariants.js";
import { must } from "./must.js";
import { EPOCH_NS, MS, type TestPartition } from "./partition.js";
import { changeSchedule, plan, putSchedule, scheduleOf, specOf } from "./schedule-build.js";

export const ONE = workflow("one", [action("work", { retry: ONE_ATTEMPT })]);
export const SECOND = 1_000_000_000n;
const MINUTE = 60n * SECOND;
export const PARTITIONS = 4;
/** The n-th minute of the test. */
export const instant = (n: number): bigint => EPOCH_NS + BigInt(n) * MINUTE;
export const stamp = (n: number): string => `2027-01-15 08:${String(n).padStart(2, "0")}:00 UTC`;
export const runOf = (n: number): string => `tick-20270115T08${String(n).padStart(2, "0")}00Z`;

export let cluster: TestCluster;
export let home: TestPartition;
export const setUp = (): void => {
  cluster = new TestCluster(PARTITIONS, [ONE]);
  home = cluster.at(partitionOf("tick", PARTITIONS));
};

export const record = (): ScheduleRecord => scheduleOf(home, "tick");
export const put = (fields: Parameters<typeof specOf>[1] = {}, workflowName = "one"): void => {
  must(
    home.control(putSchedule("tick", specOf(workflowName, fields))).case === "accepted",
    "a schedule is put",
  );
};
export const change = (what: ScheduleChange, reason?: string): ReturnType<TestPartition["control"]> => {
  const result = home.control(changeSchedule("tick", what, reason));
  cluster.settle();
  return result;
};
/** Time goes on, everywhere, to the n-th minute and `s` seconds. */
export const timeIs = (n: number, s = 0): void => {
  const at = instant(n) + BigInt(s) * SECOND;
  for (const partition of cluster.partitions)
    partition.pass(Math.max(0, Number((at - partition.nowNs) / MS)) + 10);
  cluster.settle();
};
export const planMinute = (n: number): void => {
  must(plan(home, "tick", { nextNs: instant(n) }).case === "accepted", "a plan counts");
};
/** The n-th minute is planned, and comes. */
export const minute = (n: number): void => {
  planMinute(n);
  timeIs(n);
};
export const finish = (n: number, outcome = succeeded()): void => {
  cluster.of(runOf(n)).finish(runOf(n), "work", outcome);
  cluster.settle();
};
const words = ({ outcome, instantNs, count, reason }: ScheduledInstant): string =>
  `${timeText(instantNs).slice(11, 16)} ${ScheduleOutcome[outcome]}${count > 1n ? ` ×${count}` : ""}${reason === "" ? "" : `: ${reason}`}`;
export const history = (): string[] => record().history.map(words);
export const isThere = (n: number): boolean =>
  cluster
    .of(runOf(n))
    .view.keysOf("r")
    .includes(`r${runOf(n)}`);
export const wantsPlan = (): boolean => home.effects.some((effect) => effect.kind === "plan-schedule");
export const attentions = (): string[] =>
  home.effects.flatMap((effect) => (effect.kind === "attention" ? [effect.attention.message] : []));
export const allHold = (): void => cluster.partitions.forEach(checkPartition);
