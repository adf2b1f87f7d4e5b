/** Every NATS subject and stream of Holdfast, spelled here and nowhere else. */

export const WORK_PREFIX = "holdfast.work.";
export const REJECTED_PREFIX = "holdfast.rejected.";
/** Where rejected work goes whose subject holds no valid workflow name; `!` is in no name. */
export const REJECTED_UNNAMED = "holdfast.rejected.!unnamed";
/** What was decided about rejected work. */
export const DECIDED_PREFIX = "holdfast.rejected-decided.";
export const EVENTS_PREFIX = "holdfast.events.";

export const ATTENTION_PREFIX = "holdfast.attention.";
/** Runs and items that went to the dead-letter set. */
export const DEAD_LETTER_PREFIX = "holdfast.deadletter.";
/** Of no one workflow; `!` is in no name. */
export const ATTENTION_ANY = "!any";

export const NODE_BEAT = "holdfast.node.beat";
export const NODE_ROLL_CALL = "holdfast.node.roll-call";
export const WORKER_BEAT = "holdfast.worker.beat";
export const ROLL_CALL = "holdfast.worker.roll-call";

export const WORK_STREAM = "HOLDFAST_WORK";
export const REJECTED_STREAM = "HOLDFAST_REJECTED";
export const DECIDED_STREAM = "HOLDFAST_REJECTED_DECIDED";
export const LOG_STREAM_PREFIX = "HOLDFAST_LOG_";
export const DEFINITIONS_BUCKET = "holdfast_definitions";
export const CLUSTER_BUCKET = "holdfast_cluster";
export const PAYLOADS_BUCKET = "holdfast_payloads";

export const logStream = (partition: number): string => `${LOG_STREAM_PREFIX}${partition}`;
export const logSubject = (partition: number): string => `holdfast.log.${partition}`;
export const querySubject = (partition: number): string => `holdfast.query.${partition}`;
export const attentionSubject = (workflow: string): string =>
  `${ATTENTION_PREFIX}${workflow === "" ? ATTENTION_ANY : workflow}`;
export const deadLetterSubject = (workflow: string): string => `${DEAD_LETTER_PREFIX}${workflow}`;
export const eventsSubject = (workflow: string): string => `${EVENTS_PREFIX}${workflow}`;
