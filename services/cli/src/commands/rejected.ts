/** `holdfast rejected`: published work that could not become a run, and its second chance. */
import { ListRejectedResponseSchema, ReplayRejectedResponseSchema } from "@holdfast/proto";
import { type Command, InvalidArgumentError } from "commander";
import type { AdminClient } from "../context.js";
import { ExitCode, usageError } from "../exit-codes.js";
import { renderRejected } from "../render/lists.js";
import { countOf } from "../render/text.js";
import { wholeNumber } from "../values.js";
import type { Register } from "./register.js";

interface ListOptions {
  readonly workflow?: string;
  readonly limit?: number;
  readonly page?: string;
}

const PAGE_SIZE = 50;
/** Ids that one call replays. */
const REPLAY_IDS_MAX = 500;

export function registerRejected(program: Command, register: Register): void {
  const rejected = program
    .command("rejected")
    .description("Lists published work that could not become a run, each with its reason.")
    .option("-w, --workflow <name>", "published for this workflow only")
    .option("-n, --limit <n>", `how many; default: ${PAGE_SIZE}`, wholeNumber(1, 1_000))
    .option("--page <token>", "go on where a page ended");
  register(rejected, (context, _args, options: ListOptions) =>
    context.withAdmin(async (admin) => {
      const page = await admin.listRejected({
        workflow: options.workflow ?? "",
        pageSize: options.limit ?? PAGE_SIZE,
        pageToken: options.page ?? "",
      });
      if (context.json) {
        context.printJson(ListRejectedResponseSchema, page);
        return ExitCode.done;
      }
      context.print(renderRejected(page.rejected, context.screen()));
      if (page.nextPageToken !== "") context.print([`… and more: add --page ${page.nextPageToken}`]);
      if (page.rejected.length > 0) {
        context.print(["", `Once the cause is mended: ${context.screen().command("rejected replay <id…>")}`]);
      }
      return ExitCode.done;
    }),
  );

  const replay = rejected
    .command("replay")
    .description("Publishes rejected work again, once its cause is mended. Exit 4 if an id is not there.")
    .argument("[ids...]", "ids as `holdfast rejected` shows them", workId)
    .option("--all", "all of it, or with --workflow all of that workflow's");
  register(replay, (context, args, options: { readonly all?: boolean; readonly workflow?: string }) =>
    context.withAdmin(async (admin) => {
      const named = args.flat().map(BigInt);
      if ((options.all === true) === named.length > 0)
        throw usageError("Name the ids to replay, or give --all.");
      const ids = options.all === true ? await allIds(admin, options.workflow ?? "") : named;
      let replayed = 0;
      const notFound: bigint[] = [];
      for (let from = 0; from < ids.length; from += REPLAY_IDS_MAX) {
        const answer = await admin.replayRejected({ ids: ids.slice(from, from + REPLAY_IDS_MAX) });
        replayed += answer.replayed;
        notFound.push(...answer.notFound);
      }
      if (context.json) {
        context.printJson(ReplayRejectedResponseSchema, {
          $typeName: ReplayRejectedResponseSchema.typeName,
          replayed,
          notFound,
        });
      } else {
        context.print([`Published again: ${countOf(replayed, "message")}.`]);
        if (notFound.length > 0) context.print([`Not there: ${notFound.join(", ")}`]);
      }
      return notFound.length > 0 ? ExitCode.notFound : ExitCode.done;
    }),
  );
}

/** Commander hands each value of a variadic argument with those before it. */
function workId(text: string, before: string[] | undefined): string[] {
  if (!/^\d{1,19}$/.test(text)) throw new InvalidArgumentError(`"${text}" is no id of rejected work.`);
  return [...(before ?? []), text];
}

async function allIds(admin: AdminClient, workflow: string): Promise<bigint[]> {
  const ids: bigint[] = [];
  let pageToken = "";
  do {
    const page = await admin.listRejected({ workflow, pageSize: REPLAY_IDS_MAX, pageToken });
    ids.push(...page.rejected.map(({ id }) => id));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return ids;
}
