/** What the admin service says of fields and methods, in the words of the command line: who typed a flag is told of a flag. */
import type { RpcError } from "@holdfast/rpc";

const FLAGS: Readonly<Record<string, string>> = {
  action: "--action",
  buffer_max: "--buffer",
  canary_first: "--canary",
  canary_then: "--canary",
  catch_up_ms: "--catch-up",
  created_after: "--since",
  created_before: "--until",
  cron: "--cron",
  for_ms: "--for",
  grace_ms: "--grace",
  "header.content_type": "--content-type",
  "header.name": "--name",
  input_json: "--input",
  item_keys: "--item-key",
  items: "--items",
  keys: "--item-key",
  limit: "--limit",
  modes: "--mode",
  moved_after: "--since",
  moved_before: "--until",
  on_conflict: "--on-conflict",
  page_size: "--limit",
  page_token: "--page",
  payload_json: "--payload",
  priority: "--priority",
  queue: "--queue",
  reason: "--reason",
  run_ids: "--run",
  signature: "--signature",
  start_at: "--start-at",
  statuses: "--status",
  strategy: "--strategy",
  time_zone: "--time-zone",
};

const COMMANDS: Readonly<Record<string, string>> = {
  DescribeCluster: "`holdfast cluster`",
  GetBulkOperation: "`holdfast bulk <id>`",
  ListFailureSignatures: "`holdfast failures`",
  ListRejected: "`holdfast rejected`",
  RetryRun: "`holdfast retry`",
  StartBulkRetry: "`holdfast retry-failed`",
};

const SELECTORS = "workflow, queue, signature or run_ids";

/** `run_id` is `run id`: a field that no flag has is an argument, or not of the caller's making. */
const wordsOf = (field: string): string => FLAGS[field] ?? field.replaceAll(/[_.]/g, " ");

export function wordedMessage({ code, message, details }: RpcError): string {
  const commanded = message.replaceAll(/\b[A-Z][a-z]+[A-Z]\w+\b/g, (name) => COMMANDS[name] ?? name);
  const { field, reason } = details;
  if (reason === "RUN_FAILED")
    return commanded.replace("on_conflict RETRY_IF_FAILED", "--on-conflict retry-if-failed");
  if (code !== "INVALID_ARGUMENT" || typeof field !== "string") return commanded;
  const worded = commanded
    .replace(SELECTORS, "--workflow, --queue, --signature or --run")
    .replaceAll(/\b[a-z]+(?:_[a-z]+)+\b/g, (name) => FLAGS[name] ?? name);
  if (field === "selector") return worded.replace(/^selector: /, "");
  // The field itself may have been worded by now.
  const said = wordsOf(field);
  const named = worded.replace(/^[\w.-]+(?=: )/, said);
  // `run id: run id "a b" is not valid`: once is enough.
  return named.startsWith(`${said}: ${said} `) ? named.slice(said.length + 2) : named;
}
