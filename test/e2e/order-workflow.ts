/** The workflow of the main job: check each order, ship the good ones, report on all. */
import { existsSync } from "node:fs";
import { ActionError, typed, workflow } from "@holdfast/sdk";
import { effect } from "../support/effects.js";

/** Names a file; once it is there, no amount is negative any more. */
export const MENDED_FILE = "HOLDFAST_TEST_MENDED";

export interface Order {
  readonly order: number;
  readonly amount: number;
}

export const orders = workflow("orders", { input: typed<{ orders: Order[] }>() })
  .forEach("check", { items: "orders" }, ({ item }, ctx) => {
    effect(ctx.idempotencyKey);
    if (item.amount < 0 && !existsSync(process.env[MENDED_FILE] ?? ""))
      throw new ActionError("VALIDATION", `order ${item.order} has a negative amount`);
    return { order: item.order };
  })
  .forEach("ship", { itemsOf: "check" }, ({ item }, ctx) => {
    effect(ctx.idempotencyKey);
    return item.order;
  })
  .action("report", { after: ["ship"] }, ({ ship }, ctx) => {
    effect(ctx.idempotencyKey);
    return { shipped: ship.length };
  });
