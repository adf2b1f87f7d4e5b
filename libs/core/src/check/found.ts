/** What the checks beside those of single runs find: a rule, what it is of, and what was found. */
export interface FoundInBooks {
  readonly rule: "I7" | "I10" | "I13";
  /** The name of the workflow, schedule, operation or breaker. */
  readonly of: string;
  readonly message: string;
}
