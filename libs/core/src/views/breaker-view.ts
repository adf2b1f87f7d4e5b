/** What people and programs are shown of a breaker. Reads only. */
import {
  type BreakerRecord,
  type BreakerView,
  BreakerTransitionViewSchema,
  BreakerViewSchema,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { holdText, type Name } from "../breaker/breaker.js";
import { rateBp, windowCounts } from "../breaker/window.js";
import { resolveBreaker } from "../policy/breaker.js";
import { timestamp } from "./timestamp.js";

export function breakerView(
  name: Name,
  record: BreakerRecord,
  { atNs, partition }: { readonly atNs: bigint; readonly partition: number },
): BreakerView {
  const policy = resolveBreaker(record.policy);
  const counts = policy === undefined ? { ended: 0, failed: 0 } : windowCounts(record, policy.windowMs, atNs);
  return init(BreakerViewSchema, {
    workflow: name.workflow,
    action: name.action,
    key: name.key,
    partition,
    status: record.status,
    text: holdText(record),
    windowMs: policy?.windowMs ?? 0,
    ended: counts.ended,
    failed: counts.failed,
    rateBp: rateBp(counts),
    tripsAtBp: policy?.failureRateBp ?? 0,
    minSamples: policy?.minSamples ?? 0,
    opened: record.opened,
    openUntil: timestamp(record.openUntilNs),
    held: record.held,
    heldItems: record.heldItems,
    probesOut: record.probes.length,
    waveSize: record.waveSize,
    transitions: record.transitions.map(({ atNs: at, from, to, cause, who }) =>
      init(BreakerTransitionViewSchema, { at: timestamp(at), from, to, cause, who }),
    ),
  });
}
