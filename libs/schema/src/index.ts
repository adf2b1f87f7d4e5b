/** Inputs against the JSON Schemas that workflows declare. */
export {
  type DeclaredInput,
  PROBLEM_CHARS_MAX,
  type InputVerdict,
  PROBLEMS_MAX,
  SCHEMAS_MAX,
  SchemaValidator,
  schemaProblem,
} from "./schema-validator.js";
