/** `holdfast rejected`: published work that could not become a run, and its second chance. */
import { create } from "@bufbuild/protobuf";
import {
  DiscardRejectedResponseSchema,
  GetRejectedResponseSchema,
  ListRejectedDecisionsResponseSchema,
  ListRejectedResponseSchema,
  type ReplayRejectedResponse,
  ReplayRejectedResponseSchema,
} from "@holdfast/proto";
import { type Command, InvalidArgumentError } from "commander";
import type { AdminClient, CommandContext } from "../context.js";
import { ExitCode, usageError } from "../exit-codes.js";
import { renderDecisions, renderOneRejected, renderRejected } from "../render/rejected.js";
import { countOf, safeText } from "../render/text.js";
import { wholeNumber } from "../values.js";
import { readInput } from "./read-input.js";
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
    .summary("list published work that could not become a run")
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
        const { command } = context.screen();
        context.print([
          "",
          `Once the cause is mended: ${command("rejected replay <id…>")}`,
          `Where the message is wrong itself: ${command("rejected replay <id> --input '…'")}`,
          `Not wanted any more: ${command('rejected discard <id…> --reason "…"')}`,
        ]);
      }
      return ExitCode.done;
    }),
  );

  registerShow(rejected, register);
  registerReplay(rejected, register);
  registerDiscard(rejected, register);
  registerDecided(rejected, register);
}

function registerShow(rejected: Command, register: Register): void {
  const show = rejected
    .command("show")
    .summary("show one message whole: its headers, its reason, its body")
    .description("Shows one message whole. With --body its body alone, as it came, for a file.")
    .argument("<id>", "as `holdfast rejected` shows it", oneId)
    .option("--body", "the body alone");
  register(show, (context, [id = ""], options: { readonly body?: boolean }) =>
    context.withAdmin(async (admin) => {
      const answer = await admin.getRejected({ id: BigInt(id) });
      if (context.json) context.printJson(GetRejectedResponseSchema, answer);
      else if (options.body === true)
        context.io.write(new TextDecoder().decode(answer.rejected?.body ?? new Uint8Array()));
      else context.print(renderOneRejected(answer, context.screen()));
      return ExitCode.done;
    }),
  );
}

interface ReplayOptions {
  readonly all?: boolean;
  readonly workflow?: string;
  readonly input?: string;
  readonly inputFile?: string;
  readonly forWorkflow?: string;
  readonly runId?: string;
  readonly priority?: string;
  readonly startAt?: string;
  readonly header?: Readonly<Record<string, string>>;
  readonly reason?: string;
}

function registerReplay(rejected: Command, register: Register): void {
  const replay = rejected
    .command("replay")
    .summary("publish rejected work again, once its cause is mended; or one of it, mended itself")
    .description(
      "Publishes rejected work again, as it came or, of one message, with another input or other headers. Exit 4 if an id is not there, 5 if one was refused.",
    )
    .argument("[ids...]", "ids as `holdfast rejected` shows them", workId)
    .option("--all", "all of it, or with --workflow all of that workflow's")
    .option("-i, --input <json>", "with this input in the place of what came")
    .option("-f, --input-file <file>", "the same from a file; - for standard input")
    .option("--for-workflow <name>", "for another workflow than its subject names")
    .option("--run-id <id>", "as this run; empty: one is made of the message")
    .option("--priority <n>", "with this priority; empty: none")
    .option("--start-at <time>", "not before this (2030-01-31T12:00:00Z); empty: at once")
    .option(
      "--header <name=value>",
      "with this header; without a value, without it; may be repeated",
      headerOption,
    )
    .option("--reason <text>", "why; kept with the decision");
  register(replay, async (context, args, options: ReplayOptions) => {
    const named = args.flat().map(BigInt);
    if ((options.all === true) === named.length > 0)
      throw usageError("Name the ids to replay, or give --all.");
    const edit = await editOf(context, options);
    if (edit !== undefined && named.length !== 1)
      throw usageError("What is to be another is of one message: name its id alone.");
    return context.withAdmin(async (admin) => {
      const ids = options.all === true ? await allIds(admin, options.workflow ?? "") : named;
      const sum = create(ReplayRejectedResponseSchema);
      for (let from = 0; from < ids.length; from += REPLAY_IDS_MAX) {
        const answer = await admin.replayRejected({
          ids: ids.slice(from, from + REPLAY_IDS_MAX),
          reason: options.reason ?? "",
          ...(edit === undefined ? {} : { edit }),
        });
        sum.replayed += answer.replayed;
        sum.notFound.push(...answer.notFound);
        sum.refused.push(...answer.refused);
        sum.runId = answer.runId;
      }
      if (context.json) context.printJson(ReplayRejectedResponseSchema, sum);
      else {
        const as = sum.runId === "" ? "" : `, as run ${safeText(sum.runId)}`;
        context.print([`Published again: ${countOf(sum.replayed, "message")}${as}.`]);
        printRest(context, sum);
      }
      return exitCodeOf(sum);
    });
  });
}

function registerDiscard(rejected: Command, register: Register): void {
  const discard = rejected
    .command("discard")
    .summary("forget rejected work, for a reason that is kept")
    .description(
      "Forgets rejected work: it can't be replayed any more. Who, when and why is kept for 30 days (`rejected decided`). Exit 4 if an id is not there, 5 if one was refused.",
    )
    .argument("<ids...>", "ids as `holdfast rejected` shows them", workId)
    .requiredOption("--reason <text>", "why");
  register(discard, (context, args, { reason }: { readonly reason: string }) =>
    context.withAdmin(async (admin) => {
      const ids = args.flat().map(BigInt);
      const sum = create(DiscardRejectedResponseSchema);
      for (let from = 0; from < ids.length; from += REPLAY_IDS_MAX) {
        const answer = await admin.discardRejected({ ids: ids.slice(from, from + REPLAY_IDS_MAX), reason });
        sum.discarded += answer.discarded;
        sum.notFound.push(...answer.notFound);
        sum.refused.push(...answer.refused);
      }
      if (context.json) context.printJson(DiscardRejectedResponseSchema, sum);
      else {
        context.print([`Discarded: ${countOf(sum.discarded, "message")}.`]);
        printRest(context, sum);
      }
      return exitCodeOf(sum);
    }),
  );
}

function registerDecided(rejected: Command, register: Register): void {
  const decided = rejected
    .command("decided")
    .summary("what operators have decided about rejected work: who, when and why")
    .description("Lists what was replayed and discarded in the last 30 days, the newest first.")
    .option("-n, --limit <n>", `how many; default: ${PAGE_SIZE}`, wholeNumber(1, 1_000));
  register(decided, (context, _args, options: { readonly limit?: number }) =>
    context.withAdmin(async (admin) => {
      const answer = await admin.listRejectedDecisions({ limit: options.limit ?? PAGE_SIZE });
      if (context.json) context.printJson(ListRejectedDecisionsResponseSchema, answer);
      else context.print(renderDecisions(answer.decisions, context.screen()));
      return ExitCode.done;
    }),
  );
}

type Rest = Pick<ReplayRejectedResponse, "notFound" | "refused">;

function printRest(context: CommandContext, { notFound, refused }: Rest): void {
  if (notFound.length > 0) context.print([`Not there: ${notFound.join(", ")}`]);
  for (const { id, reason } of refused) context.print([`Refused: #${id}: ${safeText(reason)}`]);
}

const exitCodeOf = ({ notFound, refused }: Rest): ExitCode =>
  refused.length > 0 ? ExitCode.refused : notFound.length > 0 ? ExitCode.notFound : ExitCode.done;

/** Undefined: as it came. */
async function editOf(context: CommandContext, options: ReplayOptions) {
  const { input, inputFile, forWorkflow, runId, priority, startAt, header = {} } = options;
  const headers: Record<string, string> = { ...header };
  if (runId !== undefined) headers["Holdfast-Run-Id"] = runId;
  if (priority !== undefined) headers["Holdfast-Priority"] = priority;
  if (startAt !== undefined) headers["Holdfast-Start-At"] = startAt;
  const isGiven = input !== undefined || inputFile !== undefined;
  if (!isGiven && forWorkflow === undefined && Object.keys(headers).length === 0) return undefined;
  return {
    ...(isGiven ? { inputJson: await readInput(context, options) } : {}),
    ...(forWorkflow === undefined ? {} : { workflow: forWorkflow }),
    headers,
  };
}

function headerOption(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [, name = "", value = ""] = /^([A-Za-z0-9-]+)(?:=(.*))?$/.exec(text) ?? [];
  if (name === "") throw new InvalidArgumentError(`"${text}" is not name=value.`);
  return { ...before, [name]: value };
}

function oneId(text: string): string {
  return workId(text, undefined)[0] ?? text;
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
