/** Inputs against the JSON Schemas that workflows declare. */
export { CHECK_MS_MAX, CheckPool } from "./check-pool.js";
export { PROBLEM_CHARS_MAX, PROBLEMS_MAX } from "./schema-check.js";
export {
  type DeclaredInput,
  type InputVerdict,
  SCHEMAS_MAX,
  SchemaValidator,
  schemaProblem,
} from "./schema-validator.js";
