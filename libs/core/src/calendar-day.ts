/** Days that no calendar has. Where a text is read by the host, it may take 30 February for 2 March. */

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const DATE = /^(\d{4})-(\d{2})-(\d{2})/;
const END_OF_DAY = /^\d{4}-\d{2}-\d{2}.24:/;

/** What is wrong with the date that a text begins with; undefined: nothing, or it begins with none. */
export function dayProblem(text: string): string | undefined {
  const [, year = "", month = "", day = ""] = DATE.exec(text) ?? [];
  if (year === "") return undefined;
  const name = MONTHS[Number(month) - 1];
  if (name === undefined) return `there is no month ${month}`;
  const days = name === "February" && isLeap(Number(year)) ? 29 : (DAYS[Number(month) - 1] ?? 31);
  if (Number(day) < 1 || Number(day) > days)
    return `there is no ${Number(day)} ${name}: ${name} ${year} has ${days} days`;
  return END_OF_DAY.test(text) ? "there is no hour 24: write 00:00 of the next day" : undefined;
}

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
