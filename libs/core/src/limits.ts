/** Every limit of the core, in one place. Sizes are bytes, spans are in the unit of the name. */

export const ACTIONS_MAX = 256;
export const UPSTREAM_MAX = 64;
/** Of one generation. */
export const ATTEMPTS_MAX = 1_000_000;
export const DEFINITION_BYTES_MAX = 256 * 1024;
/** A payload beyond this travels by reference. */
export const INLINE_PAYLOAD_BYTES_MAX = 128 * 1024;
/** A payload beyond this is kept beside its record, so that the record stays small. */
export const EMBEDDED_PAYLOAD_BYTES_MAX = 1024;
export const ITEMS_MAX = 1_000_000;
export const ITEM_BYTES_MAX = 256 * 1024;
export const SNAPSHOT_BYTES_MAX = 16 * 1024;
export const WINDOW_DEFAULT = 1024;
export const WINDOW_MAX = 16_384;
export const ITEMS_A_CHUNK = 1024;
export const INPUTS_A_RECORD = 64;
export const EVENTS_EMBEDDED_MAX = 32;
export const WAITERS_MAX = 8;
export const DETAIL_CHARS_MAX = 1024;
/** Steps of one action or item. */
export const STEPS_MAX = 10_000;
export const STEP_NAME_CHARS_MAX = 128;
/** Recoveries of a run that its workflow's policy begins by itself. */
export const RECOVERIES_DEFAULT = 3;
export const RECOVERIES_MAX = 1_000;
/** Signals that a run keeps until something waits for them, and the bytes of each. */
export const SIGNALS_KEPT_MAX = 100;
export const SIGNAL_BYTES_MAX = 16 * 1024;
export const WHO_CHARS_MAX = 128;
/** Of why somebody did something. */
export const REASON_CHARS_MAX = 512;
/** Single items of one run in the dead-letter set; more go with their run. */
export const DEAD_LETTER_ITEMS_MAX = 1_000;
/** Single items that one retry names; to retry more, retry the run. */
export const RETRY_ITEMS_MAX = 1_000;
/** Of an item's key; what is longer names no item. */
export const ITEM_KEY_CHARS_MAX = 128;
/** Keys that are asked for at once. */
export const ITEM_KEYS_MAX = 100;
/** Of what a dead letter says that it failed with. */
export const DEAD_LETTER_FAILURE_CHARS_MAX = 256;
/** The longest that an action sleeps or waits: ten years. */
export const WAIT_MS_MAX = 315_360_000_000n;
/** Messages of one DeliverMessages, and those that one MessagesDelivered lets go. */
export const MESSAGES_A_COMMAND_MAX = 1_000;
/** Messages that wait for one partition beyond which no more requests for it are taken. Answers always go out. */
export const OUTBOX_MESSAGES_MAX = 100_000;
/** Runs that took another's place which that one names; further ones are counted. */
export const RESTARTS_KEPT_MAX = 8;
/** How many runs may stand below each other, each begun by an action of the one above. */
export const CHILD_DEPTH_MAX = 8;
/** Children of one action in whose place there is another, and whose further usage is still counted. */
export const CHILDREN_LEFT_MAX = 8;
/** Items of one job of an external batch action. */
export const BATCH_ITEMS_DEFAULT = 10_000;
export const BATCH_ITEMS_MAX = 100_000;
/** Items that one command fails at the end of their job. */
export const BATCH_CLOSED_AT_ONCE_MAX = 1_000;
/** Results of one BatchResults or of one check's report. */
export const BATCH_RESULTS_A_COMMAND_MAX = 1_000;
/** What names a job to the outside system, as JSON. */
export const BATCH_HANDLE_BYTES_MAX = 4 * 1024;
export const BATCH_HANDLE_SHOWN_CHARS = 64;
export const BATCH_PROGRESS_CHARS_MAX = 256;
/** The pauses between checks. */
export const BATCH_POLL_DEFAULT_MS = 5_000;
export const BATCH_POLL_FACTOR_MILLI = 1_500;
export const BATCH_POLL_MAX_DEFAULT_MS = 60_000;
/** Attempts to tell the outside system that a job is not wanted, and jobs of an action that wait for theirs. */
export const BATCH_CANCEL_ATTEMPTS = 3;
export const BATCH_CANCELS_MAX = 4;
/** How long after its start-to-close time nothing may be heard of such an attempt before the next is made. */
export const BATCH_CANCEL_GRACE_MS = 60_000;
export const TIMERS_A_COMMAND_MAX = 1000;
export const COMMAND_ID_CHARS_MAX = 128;
export const RUN_ID_CHARS_MAX = 128;
/** What may be read of a long child's id; the rest of it is a tag. */
export const CHILD_ID_HEAD_CHARS = 95;
/** Of a worker's or a node's id. */
export const WORKER_CHARS_MAX = 128;
/** Of a subject that outcomes are sent to. */
export const INBOX_CHARS_MAX = 256;
/** Of the name of a payload in the object store. */
export const PAYLOAD_NAME_CHARS_MAX = 256;
/** Of the name that people gave an artifact, and of its content type. */
export const ARTIFACT_NAME_CHARS_MAX = 255;
export const CONTENT_TYPE_CHARS_MAX = 128;
export const PRIORITY_MAX = 1000;
export const START_TO_CLOSE_DEFAULT_MS = 300_000;
export const DURATION_MS_MAX = 0xffff_ffff;
/** How long a control command's answer is kept, and how old one may be. */
export const DEDUPE_WINDOW_NS = 24n * 3600n * 1_000_000_000n;
/** How far a sender's clock may run ahead of the log's before its command is refused. */
export const CLOCK_SKEW_NS = 3600n * 1_000_000_000n;
/** How far an owner's number may be ahead of the last one. The owner's own are dense, but for entries that its log refused. */
export const OWNER_STAMP_STEP_MAX = 1n << 20n;
export const COMPLETED_RETENTION_DEFAULT_S = 24 * 3600;
export const FAILED_RETENTION_DEFAULT_S = 7 * 24 * 3600;
export const DEAD_LETTER_RETENTION_DEFAULT_S = 30 * 24 * 3600;
/** The longest that anything is kept after it ended: ten years. */
export const RETENTION_S_MAX = 10 * 365 * 24 * 3600;
/** How long it is remembered of a pruned run that there was one. */
export const TOMBSTONE_NS = 30n * 24n * 3600n * 1_000_000_000n;
/** Rows that one Prune command looks at. */
export const PRUNE_ROWS_MAX = 500;
/** Records of a large run that one Prune command removes, of each table. */
export const PRUNE_GARBAGE_MAX = 2_000;
/** Rows that are brought to a newer schema in one commit. */
export const MIGRATION_ROWS_MAX = 1_000;
/** Sweeps whose record is kept. */
export const SWEEPS_KEPT_MAX = 100;
/** Schedules of a partition; of each: the entries of its history, its runs that have not ended, the instants that wait for those. */
export const SCHEDULES_MAX = 10_000;
export const SCHEDULE_HISTORY_MAX = 32;
export const SCHEDULE_LIVE_MAX = 100;
export const SCHEDULE_BUFFER_DEFAULT = 10;
export const SCHEDULE_BUFFER_MAX = 100;
export const CRON_CHARS_MAX = 256;
export const TIME_ZONE_CHARS_MAX = 64;
/** How late an instant of a schedule may begin. A timer is always a little late: the least is well above that. */
export const SCHEDULE_CATCH_UP_DEFAULT_MS = 3_600_000n;
export const SCHEDULE_CATCH_UP_MS_MIN = 10_000n;
export const SCHEDULE_CATCH_UP_MS_MAX = 31_622_400_000n;
/** Instants that one SchedulePlanned passes over. */
export const SCHEDULE_PASSED_MAX = 10_000;
/** Bulk operations that are kept in a partition, and how long after their end. */
export const BULK_OPERATIONS_MAX = 1_000;
export const BULK_KEPT_NS = 24n * 3600n * 1_000_000_000n;
/** Runs that one bulk operation may name, and the bytes of their ids. */
export const BULK_IDS_MAX = 10_000;
export const BULK_ID_BYTES_MAX = 512 * 1024;
/** How much is shown of what can be no run id: what is cut, with each of its characters escaped. */
export const WRONG_ID_SHOWN_CHARS_MAX = 400;
/** Ids that one message brings a partition. */
export const BULK_IDS_A_MESSAGE = 250;
/** Rows that one BulkStep looks at for matches, runs that one acts on, and matches that one lets go. */
export const BULK_ROWS_A_STEP = 500;
export const BULK_RUNS_A_STEP = 50;
export const BULK_CLOSED_A_STEP = 1_000;
/** Pages of results that go at once when an operation is forgotten. */
export const BULK_PAGES_GONE_AT_ONCE = 500;
/** Reasons of refusals that are told apart. */
export const BULK_REFUSALS_MAX = 32;
/** How long a step waits for room for its results. */
export const BULK_WAIT_NS = 1_000_000_000n;
/** How long what is under way of a cancelled run may still end well. */
export const CANCEL_GRACE_DEFAULT_MS = 10_000;
export const CANCEL_GRACE_MS_MAX = 3_600_000;
/** Workflows that are paused at once. */
export const PAUSED_WORKFLOWS_MAX = 1_000;
/** Names of what handlers spend that a run counts, and that one report may hold. */
export const USAGE_NAMES_MAX = 32;
/** The most that is counted under a name, in millionths: sums stop there. */
export const USAGE_MICRO_MAX = 0x7fff_ffff_ffff_ffffn;
/** Broken rules that a partition keeps in its state until they are mended; the rest is told as it is found. */
export const BREACHES_KEPT_MAX = 100;
/** After how many distinct fingerprints a handler that comes back to one is stuck. */
export const STUCK_REVISIT_GAP_DEFAULT = 5;
export const STUCK_REVISIT_GAP_MAX = 50;
/** Fingerprints of one attempt that are remembered, and the characters of each. */
export const STUCK_REMEMBERED_MAX = 4_096;
export const FINGERPRINT_CHARS_MAX = 256;
/** The window of a breaker: buckets that time is cut into, and the longest it may be. */
export const BREAKER_BUCKETS = 10;
export const BREAKER_WINDOW_MS_MAX = 24 * 3_600_000;
export const BREAKER_OPEN_MS_MAX = 7 * 24 * 3_600_000;
export const BREAKER_SAMPLES_MAX = 1_000_000;
export const BREAKER_PROBES_MAX = 100;
/** Breakers whose record is kept, about; further keys share their action's breaker. */
export const BREAKERS_MAX = 10_000;
export const BREAKER_KEY_CHARS_MAX = 128;
/** Transitions of a breaker that are remembered, and how long an idle breaker that has any is. */
export const BREAKER_TRANSITIONS_MAX = 32;
export const BREAKER_HISTORY_NS = 24n * 3600n * 1_000_000_000n;
/** The largest wave in which held attempts are let out. */
export const BREAKER_WAVE_MAX = 4_096;
/** Held rows that one command looks at, items that it refuses, and attempts of one TasksHeld. */
export const HELD_LOOKS_MAX = 256;
export const REFUSED_AT_ONCE_MAX = 1_000;
export const TASKS_HELD_MAX = 1_000;
/** Where items have keys of their own: keys that items of one action are held under at once, items a row, and items that one command looks at in vain. */
export const HELD_KEYS_MAX = 256;
export const HELD_ITEMS_A_ROW = 256;
export const HELD_AT_ONCE_MAX = 1_000;
/** Values nested deeper would let recursive code run out of stack, on every replica alike. */
export const JSON_DEPTH_MAX = 200;
/** How long a run that would be pruned waits for its parent's word that it is needed no more, and then asks again. */
export const NEED_ASKED_NS = 300n * 1_000_000_000n;
/** Failure signatures of a workflow that a partition keeps, and of a run before what is new counts as other messages. */
export const SIGNATURES_A_WORKFLOW_MAX = 200;
export const SIGNATURES_A_RUN_MAX = 16;
export const SIGNATURE_EXAMPLES_MAX = 5;
export const SIGNATURE_HOURS = 24;
export const SIGNATURE_SAMPLE_CHARS_MAX = 512;
