/** What a program needs of the core that only shows runs: it starts quicker without the fold. */
export { kindOfSlice, sliceAt } from "./json-slices.js";
export { dayProblem } from "./calendar-day.js";
export { jsonFault, withoutMark } from "./json-text.js";
export { DEAD_LETTER_ITEMS_MAX, PRIORITY_MAX } from "./limits.js";
export { microText, usageText } from "./policy/usage.js";
export {
  isRunRetryable,
  isRunTerminal,
  RUN_COMPLETED_STATUSES,
  RUN_RETRYABLE_STATUSES,
} from "./status.js";
export { fromUtf8 } from "./text.js";
