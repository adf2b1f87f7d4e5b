/** ListFailureSignatures and GetFailureSignature: failures alike, over all partitions. */
import { SIGNATURES_MAX } from "@holdfast/engine";
import type { GetFailureSignatureRequest, ListFailureSignaturesRequest } from "@holdfast/proto";
import type { CallContext } from "@holdfast/rpc";
import { type AdminParts, withinDeadline } from "./parts.js";
import * as check from "./validate/fields.js";

export function listFailureSignatures(
  { queries, clock }: AdminParts,
  request: ListFailureSignaturesRequest,
  context: CallContext,
) {
  const filter = {
    workflow: check.optionalWorkflow(request.workflow),
    failedOnly: request.failedOnly,
    limit: check.intInRange("limit", request.limit, 0, SIGNATURES_MAX),
  };
  return queries.signatures(filter, withinDeadline(context, clock));
}

export function getFailureSignature(
  { queries, clock }: AdminParts,
  { id }: GetFailureSignatureRequest,
  context: CallContext,
) {
  return queries.signature(check.signatureId(id, "id"), withinDeadline(context, clock));
}
