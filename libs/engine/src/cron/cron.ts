/**
 * Instants of cron expressions in time zones. The only importer of croner; what it computes depends on the host's time zone data, so
 * nothing of it may be needed to fold a log again.
 *
 * Where clocks change (each is tested): a fixed time that is left out begins at the first moment after the gap; one that comes twice
 * begins the first time only; what begins every so many minutes or hours goes on doing so.
 */
import { CRON_CHARS_MAX, spanText } from "@holdfast/core";
import { Cron } from "croner";

const MS = 1_000_000n;
const NS_MAX = 0xffff_ffff_ffff_ffffn;
const NICKNAME = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/i;

/** Why it is no expression, or why there is no such time zone; undefined: all is well. */
export function cronProblem(cron: string, timeZone: string): string | undefined {
  const made = instantsOf(cron, timeZone);
  return typeof made === "string" ? made : undefined;
}

/** The instants of one expression. */
export interface Instants {
  /**
   * The first one after `ns`, in whole seconds; undefined: there is none any more. Throws where the calendar gives one that is not after it.
   */
  after(ns: bigint): bigint | undefined;
}

/** A sentence where it is no expression, or the time zone is not known. */
export function instantsOf(text: string, timeZone: string): Instants | string {
  const trimmed = text.trim();
  const fields = trimmed.split(/\s+/).length;
  if (text.length > CRON_CHARS_MAX || (!NICKNAME.test(trimmed) && (fields < 5 || fields > 7)))
    return `"${text.slice(0, 60)}" is no cron expression: it has five fields (minute hour day month weekday), six with seconds before them, seven with a year behind, or is a nickname such as @daily`;
  const zone = timeZone === "" ? "UTC" : timeZone;
  if (!isTimeZone(zone)) return `there is no time zone "${zone}": use an IANA name such as Europe/Berlin`;
  try {
    const cron = new Cron(trimmed, { timezone: zone, paused: true });
    return { after: (ns) => nextOf(cron, text, ns) };
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^CronPattern: /, "") : String(error);
    return `"${text}" is no cron expression: ${why}`;
  }
}

function nextOf(cron: Cron, text: string, ns: bigint): bigint | undefined {
  const next = cron.nextRun(new Date(Number(ns / MS)));
  if (next === null) return undefined;
  const nextNs = BigInt(next.getTime()) * MS;
  if (nextNs > NS_MAX) return undefined;
  if (nextNs <= ns)
    throw new Error(
      `"${text}" could not be computed: its instant comes ${spanText((ns - nextNs) / MS)} too early`,
    );
  return nextNs;
}

/** Only this tells: it throws where there is none. */
function isTimeZone(zone: string): boolean {
  try {
    return Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}
