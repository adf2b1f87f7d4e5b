/** ListFailureSignatures and GetFailureSignature: failures alike, over all partitions. */
import { SIGNATURES_MAX } from "@holdfast/engine";
import type {
  FailureSignatureView,
  GetFailureSignatureRequest,
  ListFailureSignaturesRequest,
} from "@holdfast/proto";
import type { CallContext } from "@holdfast/rpc";
import { withinBytes } from "./answer-bytes.js";
import { type AdminParts, withinDeadline } from "./parts.js";
import * as check from "./validate/fields.js";

export async function listFailureSignatures(
  { queries, clock }: AdminParts,
  request: ListFailureSignaturesRequest,
  context: CallContext,
) {
  const filter = {
    workflow: check.optionalWorkflow(request.workflow),
    failedOnly: request.failedOnly,
    limit: check.intInRange("limit", request.limit, 0, SIGNATURES_MAX),
  };
  const found = await queries.signatures(filter, withinDeadline(context, clock));
  const signatures = withinBytes(found.signatures, bytesOf);
  return { ...found, signatures, more: found.more || signatures.length < found.signatures.length };
}

const bytesOf = ({ message, sample, examples }: FailureSignatureView): number =>
  3 * (message.length + sample.length) + examples.length * 130 + 512;

export function getFailureSignature(
  { queries, clock }: AdminParts,
  { id }: GetFailureSignatureRequest,
  context: CallContext,
) {
  return queries.signature(check.signatureId(id, "id"), withinDeadline(context, clock));
}
