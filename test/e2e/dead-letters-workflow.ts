/** What fails until somebody mends it: by a file that is there once it is mended. */
import { existsSync } from "node:fs";
import { ActionError, typed, workflow } from "@holdfast/sdk";

/** Names the file. */
export const MENDED_FILE = "HOLDFAST_TEST_MENDED";

function mustBeMended(what: string): void {
  if (!existsSync(process.env[MENDED_FILE] ?? "")) throw new ActionError("NETWORK", `no answer to ${what}`);
}

export const mails = workflow("mails", { input: typed<{ to: string }>() }).action(
  "send",
  { retry: { maxAttempts: 1 } },
  ({ input }) => {
    mustBeMended(input.to);
    return `sent to ${input.to}`;
  },
);

export const letters = workflow("letters", { input: typed<{ rows: number[] }>() }).forEach(
  "check",
  { items: "rows", key: "", retry: { maxAttempts: 1 } },
  ({ item }) => {
    if (item % 2 === 1) mustBeMended(`row ${item}`);
    return item;
  },
);

export const bills = workflow("bills", {
  recovery: { auto: true, maxAttempts: 1, backoff: { initialBackoff: "50ms" }, deadLetter: true },
}).action("book", { retry: { maxAttempts: 1 } }, () => {
  mustBeMended("the bank");
  return "booked";
});
