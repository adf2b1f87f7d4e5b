/** `holdfast items`: what became of each item of an action, and with which input it failed. */
import { ItemStatus, ItemStatusSchema, ItemViewSchema, ListItemsResponseSchema } from "@holdfast/proto";
import type { Command } from "commander";
import type { AdminClient, CommandContext } from "../context.js";
import { ExitCode, usageError } from "../exit-codes.js";
import { renderItemPage } from "../render/item.js";
import { enumValue, listOf, wholeNumber } from "../values.js";
import type { Register } from "./register.js";

interface ItemsOptions {
  readonly action?: string;
  readonly status?: ItemStatus[];
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
      "Lists the items of an action over items; failed ones with their reason and input. With --all --json: one JSON line for each item.",
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
        if (context.json)
          context.printJson(ListItemsResponseSchema, await admin.listItems({ runId, ...noneFailed }));
        else context.print([`No item of run ${runId} has failed.`]);
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
  const pageSize = options.limit ?? (options.all === true ? PAGE_SIZE_ALL : PAGE_SIZE);
  let pageToken = options.page ?? "";
  do {
    const page = await admin.listItems({ runId, action, statuses, pageSize, pageToken });
    pageToken = page.nextPageToken;
    if (context.json && options.all === true) {
      for (const item of page.items) context.printJsonLine(ItemViewSchema, item);
    } else if (context.json) context.printJson(ListItemsResponseSchema, page);
    else {
      const shown = {
        action,
        items: page.items,
        counts: page.counts,
        filtered: statuses.length > 0,
        failedOnly: statuses.length === 1 && statuses[0] === ItemStatus.FAILED,
        more: options.all !== true && pageToken !== "",
      };
      context.print(renderItemPage(runId, shown, context.screen(), options.full === true));
    }
  } while (options.all === true && pageToken !== "");
}
