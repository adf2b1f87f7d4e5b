/** How commands about one run name single items of it: `<id> --action <name> --items 3,7`. */
import { DEAD_LETTER_ITEMS_MAX } from "@holdfast/core/shown";
import type { Command } from "commander";
import { CliError, ExitCode } from "../exit-codes.js";
import { listOf, wholeNumber } from "../values.js";

/** An item's index. */
export const ITEM = wholeNumber(0, 4_294_967_294);

/** May be given several times: a key may hold commas. */
export const ITEM_KEY_OPTION = [
  "--item-key <key>",
  "the item of this key, where the action says where its items' keys stand; may be repeated",
  (key: string, earlier: string[] | undefined): string[] => [...(earlier ?? []), key],
] as const;

/** The run and, if wanted, items of it. */
export const addItems = (command: Command, what: string): Command =>
  command
    .argument("<id>", "the run's id")
    .option("--action <name>", "not the run: items of this action")
    .option(
      "--items <indices>",
      `${what}, as \`holdfast items\` shows them; several with commas, at most ${DEAD_LETTER_ITEMS_MAX}`,
      listOf(ITEM),
    )
    .option(...ITEM_KEY_OPTION);

export function namedItems({
  action = "",
  items = [],
  itemKey: itemKeys = [],
}: {
  readonly action?: string | undefined;
  readonly items?: number[] | undefined;
  readonly itemKey?: string[] | undefined;
}): { readonly action: string; readonly items: number[]; readonly itemKeys: string[] } {
  if (action === "" && items.length + itemKeys.length > 0)
    throw new CliError(ExitCode.usage, "Say with --action which action the items are of.");
  return { action, items, itemKeys };
}
