import { expect, test } from "vitest";
import { dayProblem } from "./calendar-day.js";

test.each([
  ["2030-02-30T12:00:00Z", /no 30 February: February 2030 has 28 days/],
  ["2028-02-30", /February 2028 has 29 days/],
  ["2100-02-29", /February 2100 has 28 days/],
  ["2030-04-31T00:00:00Z", /no 31 April: April 2030 has 30/],
  ["2030-13-01", /no month 13/],
  ["2030-00-01", /no month 00/],
  ["2030-01-00", /no 0 January/],
  ["2030-01-31T24:00:00Z", /no hour 24/],
])("%s is no time", (text, why) => {
  expect(dayProblem(text)).toMatch(why);
});

test.each(["2028-02-29", "2000-02-29", "2030-12-31T23:59:59Z", "2030-01-24T10:00:00Z", "tomorrow", ""])(
  "with %j nothing is wrong here",
  (text) => {
    expect(dayProblem(text)).toBeUndefined();
  },
);
