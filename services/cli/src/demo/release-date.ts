/** Dates as the catalogue writes them, `Jun 12 1998`. */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SHAPE = /^([A-Z][a-z]{2}) (\d{2}) (\d{4})$/;

/** As an ISO date; undefined where it is none, such as February 30th. */
export function parseReleaseDate(text: string): string | undefined {
  const [, monthName = "", dayText = "", yearText = ""] = SHAPE.exec(text) ?? [];
  const month = MONTHS.indexOf(monthName);
  if (month === -1) return undefined;
  const [day, year] = [Number(dayText), Number(yearText)];
  const date = new Date(Date.UTC(year, month, day));
  if (date.getUTCMonth() !== month || date.getUTCDate() !== day) return undefined;
  return date.toISOString().slice(0, 10);
}

/** The same day a hundred years before; February 29th only where that year has one too. */
export function centuryBefore(isoDate: string): string {
  const year = String(Number(isoDate.slice(0, 4)) - 100).padStart(4, "0");
  return year + isoDate.slice(4);
}
