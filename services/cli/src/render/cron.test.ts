import { expect, it } from "vitest";
import { eitherDayText } from "./cron.js";

it.each(["0 5 13 * 5", "0 0 5 13 * 5", "0 0 5 13 * 5 2031"])(
  "says of %s that either day is enough, and how to ask for both",
  (cron) => {
    expect(eitherDayText(cron)).toBe(
      "Day of month 13 and weekday 5 are both given, and either of them is enough; +5 asks for both.",
    );
  },
);

it.each([
  "0 5 * * 5",
  "0 5 13 * *",
  "0 5 13 * ?",
  "0 5 ? * 5",
  "0 5 13 * +5",
  "@weekly",
  "0 0 5 13 * * 2031",
  "",
])("says nothing of %s", (cron) => {
  expect(eitherDayText(cron)).toBe("");
});
