/**
 * What the words of a failure's message say of its mode: the last thing that is looked at, where neither type nor code nor cause says anything.
 *
 * 1. The table is small and public (docs/failures.md). It is read from the top: what may pass comes before what does not.
 * 2. Its time is linear in the message, whatever that says.
 */
import { FailureMode } from "@holdfast/proto";
import { modeOfCode, modeOfHttp } from "./codes.js";

const WORDS: readonly (readonly [FailureMode, RegExp])[] = [
  [FailureMode.TIMEOUT, /\btimed[ -]?out\b|\btime[ -]?out\b|\bdeadline exceeded\b/i],
  [
    FailureMode.RATE_LIMITED,
    /\brate[ -]?limit(?:s|ed|ing)?\b|\btoo many requests\b|\bthrottl(?:ed|ing)\b|\bquota exceeded\b/i,
  ],
  [
    FailureMode.UNAVAILABLE,
    /\b(?:service|server|temporarily|currently) unavailable\b|\bbad gateway\b|\boverloaded\b|\bconnection refused\b/i,
  ],
  [
    FailureMode.NETWORK,
    /\bsocket hang up\b|\bnetwork (?:error|failure|unreachable|is unreachable)\b|\bconnection (?:was )?(?:reset|closed|lost|aborted|terminated)\b|\bbroken pipe\b|\bhost unreachable\b|\bfetch failed\b/i,
  ],
  [
    FailureMode.PERMISSION,
    /\bpermission denied\b|\baccess denied\b|\bforbidden\b|\bunauthori[sz]ed\b|\bnot (?:authori[sz]ed|permitted|allowed)\b|\b(?:authentication failed|invalid (?:credentials|api key))\b/i,
  ],
  [FailureMode.NOT_FOUND, /\bnot found\b|\bno such\b|\bdoes(?: not|n't) exist\b/i],
  [
    FailureMode.VALIDATION,
    /\bvalidation\b|\binvalid\b(?! (?:response|reply|answer|state))|\bmalformed\b|\bmust (?:not )?be\b|\bis required\b|\bout of range\b/i,
  ],
];

/** A code of the system that stands in the text: `connect ECONNREFUSED 127.0.0.1:80`. */
const CODE = /\b(?:E[A-Z]{3,16}|EAI_AGAIN|UND_ERR_[A-Z_]{3,24})\b/g;
const STATUS = /\b(?:status(?: code)?|http(?:\/[\d.]{1,3})?)[ :=]{1,3}(\d{3})\b/i;
const CODES_MAX = 8;

export function modeOfWords(message: string): FailureMode | undefined {
  let codes = 0;
  for (const [code] of message.matchAll(CODE)) {
    const mode = modeOfCode(code);
    if (mode !== undefined) return mode;
    if (++codes === CODES_MAX) break;
  }
  const status = STATUS.exec(message);
  const ofStatus = status === null ? undefined : modeOfHttp(Number(status[1]));
  if (ofStatus !== undefined) return ofStatus;
  return WORDS.find(([, words]) => words.test(message))?.[0];
}
