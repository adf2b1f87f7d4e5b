/** `holdfast schedules` and `holdfast schedule`: runs that begin by themselves, and what became of their instants. */
import { randomUUID } from "node:crypto";
import { PRIORITY_MAX } from "@holdfast/core/shown";
import {
  ChangeScheduleResponseSchema,
  GetScheduleResponseSchema,
  ListSchedulesResponseSchema,
  PutScheduleResponseSchema,
  ScheduleChange,
  ScheduleOverlap,
  ScheduleOverlapSchema,
} from "@holdfast/proto";
import { type Command, InvalidArgumentError } from "commander";
import { type AdminClient, type CommandContext, orMeant } from "../context.js";
import { ExitCode, usageError } from "../exit-codes.js";
import { withId } from "../render/command.js";
import { renderSchedule, renderSchedules, upcomingLines } from "../render/schedules.js";
import { safeText } from "../render/text.js";
import { enumValue, wholeNumber } from "../values.js";
import { readInput } from "./read-input.js";
import type { Register } from "./register.js";

interface ListOptions {
  readonly workflow?: string;
  readonly limit?: number;
  readonly page?: string;
}

interface ScheduleOptions {
  readonly workflow?: string;
  readonly cron?: string;
  readonly timeZone?: string;
  readonly input?: string;
  readonly inputFile?: string;
  readonly overlap?: ScheduleOverlap;
  readonly catchUp?: number;
  readonly buffer?: number;
  readonly priority?: number;
  readonly create?: boolean;
  readonly reason?: string;
}

const PAGE_SIZE = 50;
const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function span(text: string): number {
  const [, amount, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text.trim()) ?? [];
  if (amount !== undefined) return Number(amount) * (UNITS_MS[unit] ?? 0);
  throw new InvalidArgumentError(`"${text}" is no span: write it like 30s, 15m, 2h or 7d.`);
}

export function registerSchedules(program: Command, register: Register): void {
  const list = program
    .command("schedules")
    .summary("list schedules")
    .description(
      "Lists schedules in the order of their names: when each begins its next run, and what became of its last instant.",
    )
    .option("-w, --workflow <name>", "of this workflow only")
    .option("-n, --limit <n>", `how many; default: ${PAGE_SIZE}`, wholeNumber(1, 1_000))
    .option("--page <token>", "go on where a page ended");
  register(list, (context, _args, options: ListOptions) =>
    context.withAdmin(async (admin) => {
      const answer = await admin.listSchedules({
        workflow: options.workflow ?? "",
        pageSize: options.limit ?? PAGE_SIZE,
        pageToken: options.page ?? "",
      });
      if (context.json) context.printJson(ListSchedulesResponseSchema, answer);
      else context.print(renderSchedules(answer, context.screen()));
      return ExitCode.done;
    }),
  );

  const one = program
    .command("schedule")
    .summary("show, put, pause, resume, trigger or delete a schedule")
    .description(
      "Shows a schedule and its last instants: `schedule <name>`. `schedule put <name> --workflow <workflow> --cron <expression>` makes one, or changes what it does; `schedule pause|resume|trigger|delete <name>` do what they say. Runs that have begun go on.",
    )
    .argument("<words...>", "[put|pause|resume|trigger|delete] <name>")
    .option("-w, --workflow <name>", "with put: whose runs it begins")
    .option(
      "--cron <expression>",
      "with put: minute hour day month weekday, seconds before them if need be; or @daily and the like",
    )
    .option("--time-zone <name>", "with put: such as Europe/Berlin; default: UTC")
    .option("-i, --input <json>", "with put: the input of each run; default: null")
    .option("-f, --input-file <file>", "the same from a file; - for standard input")
    .option(
      "--overlap <what>",
      "with put: what becomes of an instant while a run has not ended: skip, buffer or allow; default: skip",
      enumValue(ScheduleOverlapSchema, "overlap policy"),
    )
    .option("--catch-up <span>", "with put: how late an instant may begin, 10s to 366d; default: 1h", span)
    .option("--buffer <n>", "with put: how many instants wait at most; default: 10", wholeNumber(1, 100))
    .option(
      "--priority <n>",
      "with put: higher goes first; default: 0",
      wholeNumber(-PRIORITY_MAX, PRIORITY_MAX),
    )
    .option("--create", "with put: only if there is none of this name")
    .option("--reason <text>", "why, for whoever wonders");
  register(one, async (context, words: readonly (string | undefined)[], options: ScheduleOptions) => {
    const { what, name } = wishOf(words.flat().flatMap((word) => word ?? []));
    if (what !== "put") refuseOptionsOfPut(what, options);
    if (what === "put") return put(context, name, options);
    return context.withAdmin((admin) =>
      what === "show" ? show(context, admin, name) : change(context, admin, { what, name, options }),
    );
  });
}

const CHANGES = {
  pause: ScheduleChange.PAUSE,
  resume: ScheduleChange.RESUME,
  trigger: ScheduleChange.TRIGGER,
  delete: ScheduleChange.DELETE,
} as const;
type Change = keyof typeof CHANGES;
const isChange = (word: string): word is Change => Object.hasOwn(CHANGES, word);

interface Wish {
  readonly what: "show" | "put" | Change;
  readonly name: string;
}

function wishOf(words: readonly string[]): Wish {
  const [first = "", second = ""] = words;
  if (words.length === 1) return { what: "show", name: first };
  if (words.length === 2 && (first === "put" || isChange(first))) return { what: first, name: second };
  throw usageError("Say `schedule [put|pause|resume|trigger|delete] <name>`.");
}

const OF_PUT = [
  "workflow",
  "cron",
  "timeZone",
  "input",
  "inputFile",
  "overlap",
  "catchUp",
  "buffer",
  "priority",
  "create",
] as const;

function refuseOptionsOfPut(what: string, options: ScheduleOptions): void {
  const given = OF_PUT.find((option) => options[option] !== undefined);
  if (given === undefined) return;
  const flag = given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw usageError(`--${flag} goes with \`schedule put\`: ${what} changes nothing of what a schedule does.`);
}

async function show(context: CommandContext, admin: AdminClient, name: string): Promise<ExitCode> {
  const say = `If you meant to ${name} one, say \`schedule ${name} <name>\`.`;
  const answer = await orMeant(name === "put" || isChange(name), say, () => admin.getSchedule({ name }));
  if (context.json) context.printJson(GetScheduleResponseSchema, answer);
  else context.print(renderSchedule(answer, context.screen()));
  return ExitCode.done;
}

async function put(context: CommandContext, name: string, options: ScheduleOptions): Promise<ExitCode> {
  const { workflow, cron } = options;
  if (workflow === undefined || cron === undefined)
    throw usageError("Give --workflow <name> and --cron <expression>: a schedule is put as a whole.");
  const inputJson = await readInput(context, options);
  return context.withAdmin(async (admin) => {
    const answer = await admin.putSchedule({
      name,
      workflow,
      cron,
      timeZone: options.timeZone ?? "",
      inputJson,
      priority: options.priority ?? 0,
      overlap: options.overlap ?? ScheduleOverlap.SKIP,
      catchUpMs: BigInt(options.catchUp ?? 0),
      bufferMax: options.buffer ?? 0,
      createOnly: options.create ?? false,
      requestId: randomUUID(),
    });
    if (context.json) context.printJson(PutScheduleResponseSchema, answer);
    else {
      context.print([
        `Schedule ${safeText(name)} ${answer.existed ? "is changed" : "is made"}.`,
        answer.upcoming.length === 0
          ? "Its expression has no instant any more: it begins nothing unless it is triggered."
          : `It begins runs of ${safeText(workflow)}.`,
        ...upcomingLines(cron, answer.upcoming, context.screen()),
      ]);
    }
    return ExitCode.done;
  });
}

const DONE: Readonly<Record<Change, string>> = {
  pause:
    "is paused: nothing of it begins until it is resumed, and what comes meanwhile is counted as skipped.",
  resume: "goes on.",
  trigger: "began a run:",
  delete: "is deleted. Its runs go on.",
};

async function change(
  context: CommandContext,
  admin: AdminClient,
  {
    what,
    name,
    options,
  }: { readonly what: Change; readonly name: string; readonly options: ScheduleOptions },
): Promise<ExitCode> {
  const answer = await admin.changeSchedule({
    name,
    change: CHANGES[what],
    reason: options.reason ?? "",
    requestId: randomUUID(),
  });
  if (context.json) context.printJson(ChangeScheduleResponseSchema, answer);
  else {
    const follow =
      what === "trigger"
        ? [`Follow it: ${context.screen().command(withId("run", answer.runId, "--watch"))}`]
        : [];
    const run = what === "trigger" ? ` ${safeText(answer.runId)}` : "";
    context.print([`Schedule ${safeText(name)} ${DONE[what]}${run}`, ...follow]);
  }
  return ExitCode.done;
}
