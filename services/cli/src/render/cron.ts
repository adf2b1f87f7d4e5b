/** What a cron expression says that people read otherwise. */

/** What begins either way in both fields; `+` before the weekday asks for both. */
const EVERY = new Set(["*", "?"]);

/** A sentence where both day of month and weekday are given, of which either is enough; empty: nothing surprises. */
export function eitherDayText(cron: string): string {
  const fields = cron.trim().split(/\s+/);
  // Five fields begin with the minute, six and seven with the second.
  const first = fields.length === 5 ? 2 : 3;
  const [day = "*", , weekday = "*"] = fields.slice(first);
  if (EVERY.has(day) || EVERY.has(weekday) || weekday.startsWith("+")) return "";
  return `Day of month ${day} and weekday ${weekday} are both given, and either of them is enough; +${weekday} asks for both.`;
}
