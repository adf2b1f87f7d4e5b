/** `holdfast items`: what became of each item of an action, and with which input it failed. */
import { ItemStatus, ItemStatusSchema, ItemViewSchema, ListItemsResponseSchema } from "@holdfast/proto";
import type { Command } from "commander";
import type { AdminClient, CommandContext } from "../context.js";
import { ExitCode, usageError } from "../exit-codes.js";
import { renderItemPage } from "../render/item.js";
import { enumValue, listOf, wholeNumber } from "../values.js";
import { ITEM_KEY_OPTION } from "./item-names.js";
import type { Register } from "./register.js";

interface ItemsOptions {
  readonly action?: string;
  readonly status?: ItemStatus[];
  readonly itemKey?: string[];
  readonly failed?: boolean;
  readonly full?: boolean;
  readonly limit?: number;
  readonly page?: string;
  readonly all?: boolean;
}

const PAGE_SIZE = 50;
const PAGE_SIZE_ALL = 500;

export function registerItems(program: Command, register: Register): void {
  const command = program
    .command("items")
    .summary("list the items of a run's action")
    .description(
      "Lists the items of an action over items; failed ones with their reason and input. With --all --json: one JSON line for each item; with --failed --json: one for each action that has any.",
    )
    .argument("<id>", "the run's id")
    .option(
      "-a, --action <name>",
      "of this action; default: the only one over items, or with --failed each that has any",
    )
    .option(
      "-s, --status <status>",
      "in this status only; several with commas",
      listOf(enumValue(ItemStatusSchema, "status")),
    )
    .option(...ITEM_KEY_OPTION)
    .option("--failed", "the failed ones, each with its input")
    .option("--full", "inputs and reasons in full length")
    .option("-n, --limit <n>", `how many; default: ${PAGE_SIZE}`, wholeNumber(1, 1_000))
    .option("--page <token>", "go on where a page ended")
    .option("--all", "every page");
  register(command, (context, [runId = ""], options: ItemsOptions) =>
    context.withAdmin(async (admin) => {
      const actions = await actionsToList(admin, runId, options);
      for (const action of actions) await listAction(context, admin, runId, action, options);
      if (actions.length === 0) {
        if (context.json && options.all !== true)
          context.printJsonLine(ListItemsResponseSchema, await admin.listItems({ runId, ...noneFailed }));
        else if (!context.json) context.print([`No item of run ${runId} has failed.`]);
      }
      return ExitCode.done;
    }),
  );
}

const noneFailed = { statuses: [ItemStatus.FAILED], pageSize: 1 };

async function actionsToList(admin: AdminClient, runId: string, options: ItemsOptions): Promise<string[]> {
  if (options.action !== undefined) return [options.action];
  const { run } = await admin.getRun({ runId });
  const overItems = (run?.actions ?? []).filter((action) => action.items !== undefined);
  if (overItems.length === 0) throw usageError(`Run ${runId} has no action over items.`);
  if (options.failed === true) {
    return overItems.filter((action) => (action.items?.failed ?? 0) > 0).map((action) => action.name);
  }
  if (overItems.length > 1) {
    const names = overItems.map((action) => action.name).join(", ");
    throw usageError(`Run ${runId} has several actions over items; name one with --action: ${names}.`);
  }
  return overItems.map((action) => action.name);
}

async function listAction(
  context: CommandContext,
  admin: AdminClient,
  runId: string,
  action: string,
  options: ItemsOptions,
): Promise<void> {
  const statuses = options.failed === true ? [ItemStatus.FAILED] : (options.status ?? []);
  const keys = options.itemKey ?? [];
  const pageSize = options.limit ?? (options.all === true ? PAGE_SIZE_ALL : PAGE_SIZE);
  let pageToken = options.page ?? "";
  let isFound = false;
  do {
    const page = await admin.listItems({ runId, action, statuses, keys, pageSize, pageToken });
    pageToken = page.nextPageToken;
    // Where keys are asked for, a page without any says only that they were not found yet.
    if (page.items.length === 0 && keys.length > 0 && pageToken !== "") continue;
    isFound ||= page.items.length > 0;
    if (context.json && options.all === true) {
      for (const item of page.items) context.printJsonLine(ItemViewSchema, item);
    } else if (context.json && options.failed === true && options.action === undefined)
      context.printJsonLine(ListItemsResponseSchema, page);
    else if (context.json) context.printJson(ListItemsResponseSchema, page);
    else {
      const shown = {
        action,
        items: page.items,
        counts: page.counts,
        filtered: statuses.length > 0,
        keys,
        failedOnly: statuses.length === 1 && statuses[0] === ItemStatus.FAILED,
        more: options.all !== true && pageToken !== "",
      };
      context.print(renderItemPage(runId, shown, context.screen(), options.full === true));
    }
  } while (pageToken !== "" && (options.all === true || (keys.length > 0 && !isFound)));
}
