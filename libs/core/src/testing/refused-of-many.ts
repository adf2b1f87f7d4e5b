/** How commands about bulk operations are refused. */
import { BULK_OPERATIONS_MAX } from "../limits.js";
import { abortBulk, startBulk } from "./bulk-build.js";
import { type Case, full } from "./refused-scene.js";

export const REFUSED_OF_MANY: readonly Case[] = [
  [
    "startBulk",
    "INVALID_NAME",
    "an id that is none",
    (p) => p.control(startBulk("a b", { workflow: "one" })),
  ],
  ["startBulk", "MALFORMED", "without a selector", (p) => p.control(startBulk("op", {}))],
  [
    "startBulk",
    "OPERATION_EXISTS",
    "an id that is in use",
    (p) => (p.control(startBulk("op", { workflow: "one" })), p.control(startBulk("op", { workflow: "one" }))),
  ],
  [
    "startBulk",
    "TOO_MANY_OPERATIONS",
    "too many",
    (p) => {
      full(p, (applied) => {
        applied.bulkOperations = BULK_OPERATIONS_MAX;
      });
      return p.control(startBulk("op", { workflow: "one" }));
    },
  ],
  ["abortBulk", "NO_SUCH_OPERATION", "one that is not there", (p) => p.control(abortBulk("op"))],
  [
    "abortBulk",
    "OPERATION_ENDED",
    "an aborted one",
    (p) => {
      p.control(startBulk("op", { workflow: "one" }));
      p.control(abortBulk("op"));
      return p.control(abortBulk("op"));
    },
  ],
];
