/** A partition with a run over rows that is to be retried item by item, and short ways to fail, retry and look. */
import {
  FailureMode,
  ItemStatus,
  type Outcome,
  RejectCode,
  type RetryRun,
  RunStatus,
  type WorkflowDefinition,
} from "@holdfast/proto";
import type { Init } from "@holdfast/proto/codec";
import {
  action,
  batch,
  define,
  failed,
  json,
  ONE_ATTEMPT,
  overInput,
  overItemsOf,
  retry,
  start,
  succeeded,
  workflow,
} from "./build.js";
import { TestPartition } from "./partition.js";

type Answer = Outcome["result"];

export const check = action("check", { forEach: overInput("/rows"), retry: ONE_ATTEMPT });
export const load = action("load", { forEach: overItemsOf("check"), retry: ONE_ATTEMPT });
export const report = action("report", { after: ["load"], retry: ONE_ATTEMPT });

export const refused = (result: Answer): string =>
  result.case === "rejected"
    ? `${RejectCode[result.value.code]}: ${result.value.message}`
    : `it was ${result.case}`;

export class RetryItemsScene {
  readonly partition = new TestPartition();

  constructor() {
    this.partition.announce();
  }

  /** Begins run "r" of it, with so many rows for its action "check". */
  begin(definition: WorkflowDefinition, rows = 6): void {
    this.partition.append(batch([define(definition)]));
    this.partition.send(start("r", definition.name));
    this.partition.load(
      "r",
      "check",
      Array.from({ length: rows }, (_, row) => json({ row })),
    );
  }

  good(name: string, ...items: number[]): void {
    for (const item of items) this.partition.finish("r", name, succeeded({ item }), item);
  }

  bad(name: string, item: number, mode = FailureMode.VALIDATION): void {
    this.partition.finish("r", name, failed(mode, `row ${item} is bad`), item);
  }

  /** Of six rows 1, 3 and 5 are bad; what comes after ran for the others. */
  importInPart(modes = [FailureMode.VALIDATION, FailureMode.TIMEOUT, FailureMode.VALIDATION]): void {
    this.begin(workflow("import", [check, load, report]));
    this.good("check", 0, 2, 4);
    modes.forEach((mode, i) => this.bad("check", 2 * i + 1, mode));
    this.good("load", 0, 2, 4);
    this.partition.finish("r", "report", succeeded("3 rows"));
  }

  /** Items of "check", unless another action is named. */
  retry(items: number[], fields: Init<RetryRun> = {}): Answer {
    return this.partition.control(retry("r", { action: "check", items, who: "ann", ...fields }));
  }

  status(): string {
    return RunStatus[this.partition.run("r").status];
  }

  /** The first two letters of each item's. */
  dispositions(name: string): string {
    const bound = this.partition.action("r", name).items?.bound ?? 0;
    return Array.from({ length: bound }, (_, item) =>
      (ItemStatus[this.partition.itemStatus("r", name, item)] ?? "-").slice(0, 2),
    ).join(" ");
  }
}
