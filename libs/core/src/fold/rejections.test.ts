/**
 * Every way in which a command can be refused, each at least once: it gets its code and a sentence, and leaves no trace but its
 * answer. What handlers can refuse with is read from their sources, so that a new one without a case here fails.
 */
import { readdirSync, readFileSync } from "node:fs";
import {
  type Command,
  CommandSchema,
  type PartitionMessage,
  PartitionMessageSchema,
  RejectCode,
} from "@holdfast/proto";
import { init } from "@holdfast/proto/codec";
import { describe, expect, test } from "vitest";
import { command } from "../testing/build.js";
import { differences } from "../testing/memory-view.js";
import type { TestPartition } from "../testing/partition.js";
import { type MessageKind, REFUSED_MESSAGES, tell } from "../testing/refused-messages.js";
import { REFUSED_OF_DEAD_LETTERS } from "../testing/refused-of-dead-letters.js";
import { REFUSED_OF_MANY } from "../testing/refused-of-many.js";
import { REFUSED_OF_OTHERS } from "../testing/refused-of-others.js";
import { REFUSED_OF_RUNS } from "../testing/refused-of-runs.js";
import { REFUSED_RESTARTS } from "../testing/refused-restarts.js";
import { type Kind, scene } from "../testing/refused-scene.js";
import type { outboxKey } from "../state/tables.js";

const CASES = [...REFUSED_OF_RUNS, ...REFUSED_OF_DEAD_LETTERS, ...REFUSED_OF_OTHERS, ...REFUSED_OF_MANY];

const MESSAGE_CASES = [...REFUSED_MESSAGES, ...REFUSED_RESTARTS];

/** What is folded of these is passed over where it does not fit, and never answered with a refusal: why. */
const NEVER_REFUSED: Readonly<Partial<Record<Kind, string>>> = {
  timersFired: "fires what is due by the log, which may be nothing",
  prune: "prunes what has expired by the log, which may be nothing",
  bulkStep: "is the next step of an operation, or changes nothing",
  announceOwner: "the next epoch is taken, any other changes nothing",
};
/** Codes of a shared function that can't come up for a command, and why. */
const OUT_OF_REACH: Readonly<Partial<Record<Kind, readonly (keyof typeof RejectCode)[]>>> = {
  // It retries only what has failed, with no strategy of its own, and not where it was cancelled.
  startRun: ["UNSUPPORTED", "NOT_RECOVERABLE", "NOT_FAILED"],
  // An input that can't be kept fails the action that the child run is of.
  itemsLoaded: ["MALFORMED", "TOO_LARGE"],
};

/** Of messages; what could not be refused otherwise is answered by the end that the run has had, or starts another child. */
const MESSAGES_OUT_OF_REACH: Readonly<Partial<Record<MessageKind, readonly (keyof typeof RejectCode)[]>>> = {
  retryRequested: ["NOT_FAILED", "NOT_RECOVERABLE", "TERMINAL_MODE", "UNSUPPORTED"],
};

describe.each([...new Set(CASES.map(([kind]) => kind))])("%s is refused:", (kind) => {
  test.each(
    CASES.filter((each) => each[0] === kind).map(([, code, what, refused]) => [what, code, refused] as const),
  )("%s: %s", (_what, code, refused) => {
    const partition = scene();
    const result = refused(partition);
    if (result.case !== "rejected") throw new Error(`it was ${result.case}`);
    expect(RejectCode[result.value.code]).toBe(code);
    expect(result.value.message.length).toBeGreaterThan(10);
    // The place in the log, and for a while the answer.
    const changed = differences(partition.before, partition.view.dump()).filter((key) => !/^[Akt]/.test(key));
    expect(changed).toEqual([]);
  });
});

const HERE = import.meta.dirname;
const source = (path: string): string => readFileSync(`${HERE}/${path}`, "utf8");
const codesIn = (text: string): string[] =>
  Array.from(text.matchAll(/RejectCode\.([A-Z_]+)/g), ([, code = ""]) => code);
/** Functions that say why something is refused, and where they stand. */
const SHARED: Readonly<Record<string, string | readonly string[]>> = {
  beginRun: "../actor/begin-run.ts",
  nameRefusal: "../actor/begin-run.ts",
  payloadProblem: "../actor/actor.ts",
  restartRefusal: "../actor/restart.ts",
  reopen: "../actor/reopen.ts",
  retryByHand: ["../actor/retry-items.ts", "../actor/reopen.ts"],
  absentCode: "../views/absent.ts",
  movedLetters: "../actor/move-to-dead-letters.ts",
  discardedLetters: "../actor/discard-dead-letters.ts",
};

/** That a file refuses with, itself or by a shared function. */
function codesOfFile(path: string): ReadonlySet<string> {
  const text = source(path);
  const shared = Object.keys(SHARED).filter((name) => new RegExp(`\\b${name}\\(`).test(text));
  const paths = shared.flatMap((name) => SHARED[name] ?? []);
  return new Set([text, ...paths.map(source)].flatMap(codesIn));
}

describe.each([...new Set(MESSAGE_CASES.map(([kind]) => kind))])("the message %s changes nothing", (kind) => {
  test.each(
    MESSAGE_CASES.filter((each) => each[0] === kind).map(
      ([, verdict, what, told]) => [what, verdict, told] as const,
    ),
  )("%s: %s", (_what, verdict, told) => {
    const partition = scene();
    const message = told(partition);
    expect(message.case).toBe(kind);
    const sentBefore = sentOf(partition).length;
    tell(partition, message);
    // The place in the log, and how far messages have come.
    const changed = differences(partition.before, partition.view.dump()).filter((key) => !/^[Am]/.test(key));
    const sent = sentOf(partition).slice(sentBefore);
    expect(changed.filter((key) => !key.startsWith("o"))).toEqual([]);
    if (verdict === "IGNORED") {
      expect(sent).toEqual([]);
      expect(partition.effects.filter(({ kind: effect }) => effect !== "reply")).toEqual([]);
      return;
    }
    expect(sent).toHaveLength(1);
    const answer = sent[0];
    if (verdict === "ENDED") {
      expect(answer?.case).toBe("requestEnded");
      return;
    }
    if (answer?.case !== "requestRefused") throw new Error(`it was answered with ${answer?.case}`);
    expect(RejectCode[answer.value.code]).toBe(verdict);
    expect(answer.value.message.length).toBeGreaterThan(10);
  });
});

/** What the partition has sent, in order. */
const sentOf = ({ view }: TestPartition): PartitionMessage["kind"][] =>
  view
    .keysOf("o")
    .toSorted()
    .map(
      (key) => (view.get(key as ReturnType<typeof outboxKey>)?.message ?? init(PartitionMessageSchema)).kind,
    );

test("every message between partitions has a case above, and every code that it can be refused with", () => {
  const all = source("messages/messages.ts");
  const kinds = Array.from(all.matchAll(/case "(\w+)":/g), ([, kind = ""]) => kind as MessageKind);
  const missing: string[] = [];
  for (const kind of kinds) {
    const reached = MESSAGE_CASES.filter(([of]) => of === kind).map(([, verdict]) => verdict as string);
    if (!reached.includes("IGNORED")) missing.push(`${kind}: passed over`);
    const statement = all.split(";").find((each) => new RegExp(`import [^=]*\\b${kind}\\b`).test(each));
    const imported = /"(.+)\.js"/.exec(statement ?? "")?.[1];
    if (imported === undefined) throw new Error(`it can't be seen where messages.ts has ${kind} from`);
    const codes = codesOfFile(`messages/${imported}.ts`);
    const unreachable: readonly string[] = MESSAGES_OUT_OF_REACH[kind] ?? [];
    for (const code of codes)
      if (!reached.includes(code) && !unreachable.includes(code)) missing.push(`${kind}: ${code}`);
  }
  expect(missing).toEqual([]);
  expect(kinds.length).toBeGreaterThan(10);
});

test("every code that a handler can refuse with has a case above", () => {
  const missing: string[] = [];
  const files = readdirSync(`${HERE}/commands`).filter(
    (name) => name.endsWith(".ts") && !name.includes(".test."),
  );
  for (const file of files) {
    const text = source(`commands/${file}`);
    const codes = codesOfFile(`commands/${file}`);
    const kinds = Array.from(
      text.matchAll(/export function (\w+)\(\s*ctx: FoldContext,/g),
      ([, name = ""]) => name,
    );
    for (const kind of kinds) {
      const covered = CASES.filter(([of]) => of === kind);
      if (covered.length === 0 && NEVER_REFUSED[kind as Kind] === undefined)
        missing.push(`${file}: ${kind}, any`);
    }
    const reached = new Set(CASES.filter(([kind]) => kinds.includes(kind)).map(([, code]) => code as string));
    for (const kind of kinds) for (const code of OUT_OF_REACH[kind as Kind] ?? []) reached.add(code);
    for (const code of codes) if (!reached.has(code)) missing.push(`${file}: ${code}`);
  }
  expect(missing).toEqual([]);
  expect(files.length).toBeGreaterThan(20);
});

/** A command of a kind with nothing in it. */
function emptyOf(kind: string): Command {
  const field = CommandSchema.fields.find(({ localName }) => localName === kind);
  if (field?.message === undefined) throw new Error(`there is no command ${kind}`);
  return command({ case: kind, value: init(field.message) } as Command["kind"]);
}

describe("before a handler is asked", () => {
  const fold = source("fold.ts");
  const of = (guard: string): string[] =>
    Array.from(
      fold.matchAll(new RegExp(`case "(\\w+)":\\s*(?:return |if \\()${guard}\\(`, "g")),
      ([, kind = ""]) => kind,
    );

  test.each(of("ownersOnly"))("%s is refused of anybody but the owner", (kind) => {
    const partition = scene();
    const result = partition.send(emptyOf(kind));
    expect(result).toMatchObject({ case: "rejected", value: { code: RejectCode.UNSUPPORTED } });
  });

  test.each(of("once"))(
    "%s is refused without an id, and when it can't be told from a repetition",
    (kind) => {
      const sent = CASES.find(([each]) => each === kind);
      expect(sent, `a case of ${kind}`).toBeDefined();
      for (const [fields, code] of [
        [{ id: "" }, RejectCode.MALFORMED],
        [{ id: "ä" }, RejectCode.MALFORMED],
        [{ id: "old", issuedAtNs: 1n }, RejectCode.EXPIRED_COMMAND],
        [{ id: "early", issuedAtNs: 2n ** 63n }, RejectCode.EXPIRED_COMMAND],
      ] as const) {
        const partition = scene();
        const result = partition.send(emptyOf(kind), fields);
        expect(result).toMatchObject({ case: "rejected", value: { code } });
      }
    },
  );

  test("there are commands of both kinds", () => {
    expect([of("once").length > 10, of("ownersOnly").length > 4]).toEqual([true, true]);
  });

  test("a command of no kind is refused", () => {
    const result = scene().send(command({ case: undefined }));
    expect(result).toMatchObject({ case: "rejected", value: { code: RejectCode.UNSUPPORTED } });
  });
});
