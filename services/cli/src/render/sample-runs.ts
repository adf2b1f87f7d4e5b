/** Messages as an admin service sends them, for the tests of the renderers. */
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ActionStatus,
  FailureMode,
  type ItemView,
  ItemViewSchema,
  ItemStatus,
  RecoveryStrategy,
  RunStatus,
  type RunView,
  RunViewSchema,
} from "@holdfast/proto";
import { plainStyle, type Screen } from "./style.js";

/** What makes a message, without the message itself: spreading one would carry its type along. */
type PlainInit<Desc extends DescMessage> = Exclude<MessageInitShape<Desc>, { $typeName: string }>;

export const SAMPLE_NOW_MS = Date.UTC(2026, 10, 21, 3, 40, 0);

export const plainScreen = (width: number): Screen => ({
  width,
  style: plainStyle,
  nowMs: SAMPLE_NOW_MS,
  command: (args) => `holdfast ${args}`,
});

const at = (secondsAgo: number) => timestampFromMs(SAMPLE_NOW_MS - secondsAgo * 1_000);

/** 3 actions; the first one partial: 2 of its 20 items failed, each in its own mode. */
export function partialRun(changes: PlainInit<typeof RunViewSchema> = {}): RunView {
  return create(RunViewSchema, {
    summary: {
      runId: "import-1",
      workflow: "films",
      status: RunStatus.COMPLETED_WITH_FAILURES,
      createdAt: at(10),
      startedAt: at(9),
      endedAt: at(4),
      generation: 1,
      tally: { ok: 2, partial: 1 },
      items: { total: 38, succeeded: 36, failed: 2 },
      retryableUntil: timestampFromMs(SAMPLE_NOW_MS + 7 * 86_400_000),
    },
    actions: [
      {
        name: "check",
        status: ActionStatus.COMPLETED_WITH_FAILURES,
        level: 0,
        startedAt: at(9),
        endedAt: at(7),
        attempt: 1,
        items: { total: 20, succeeded: 18, failed: 2 },
        modes: [
          { mode: FailureMode.HANDLER_BUG, count: 1 },
          { mode: FailureMode.VALIDATION, count: 1 },
        ],
      },
      {
        name: "enrich",
        status: ActionStatus.COMPLETED,
        level: 1,
        after: ["check"],
        startedAt: at(7),
        endedAt: at(5),
        attempt: 1,
        items: { total: 18, succeeded: 18 },
      },
      {
        name: "report",
        status: ActionStatus.COMPLETED,
        level: 2,
        after: ["enrich"],
        startedAt: at(5),
        endedAt: at(4),
        attempt: 1,
      },
    ],
    levels: [
      { level: 0, tally: { partial: 1 }, actions: ["check"] },
      { level: 1, tally: { ok: 1 }, actions: ["enrich"] },
      { level: 2, tally: { ok: 1 }, actions: ["report"] },
    ],
    recommendation: {
      strategy: RecoveryStrategy.RETRY_FAILED,
      reason: "94 % of the work succeeded",
      hint: "Mend what the failed items name, then retry them.",
      recoverable: true,
      mode: FailureMode.PARTIAL_STEP_FAILURES,
    },
    ...changes,
  });
}

export function failedItem(index: number, changes: PlainInit<typeof ItemViewSchema> = {}): ItemView {
  return create(ItemViewSchema, {
    index,
    status: ItemStatus.FAILED,
    attempts: 1,
    startedAt: at(8),
    endedAt: at(8),
    worker: "worker-1a2b3c4d",
    inputSnapshot: '{"Release Date":"Dec 31 2046","Title":"Duel in the Sun"}',
    failure: {
      mode: FailureMode.VALIDATION,
      message: "the release date 2046-12-31 lies in the future",
    },
    ...changes,
  });
}
