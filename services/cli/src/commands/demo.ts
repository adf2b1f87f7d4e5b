/** `holdfast demo`: a Holdfast of its own in a folder of its own, and the story told on it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { Holdfast, createWorker } from "@holdfast/sdk";
import { type CommandContext, createContext } from "../context.js";
import { CliError, ExitCode } from "../exit-codes.js";
import { loadFilms } from "../demo/films.js";
import { filmsWorkflow } from "../demo/films-workflow.js";
import type { Claims } from "../demo/claims.js";
import { type StoryParts, type StoryWorker, tellStory } from "../demo/story.js";
import { portOrAny } from "../local/free-port.js";
import { type LocalHoldfast, startLocalHoldfast } from "../local/holdfast.js";
import { countOf, formatCount, wrapText } from "../render/text.js";
import { formatSpan } from "../render/time.js";
import {
  ADMIN_PORT_DEFAULT,
  existingNats,
  natsOf,
  localLogger,
  METRICS_PORT_DEFAULT,
  NATS_PORT_DEFAULT,
  placesOf,
  told,
} from "./dev.js";

export interface DemoOptions {
  readonly keep?: boolean;
  readonly natsPort?: number;
  readonly adminPort?: number;
  readonly metricsPort?: number;
  readonly verbose?: boolean;
}

export async function runDemo(context: CommandContext, options: DemoOptions): Promise<ExitCode> {
  const began = performance.now();
  const folder = await mkdtemp(join(tmpdir(), "holdfast-demo-"));
  try {
    const holdfast = await startOn(context, folder, options);
    try {
      context.print(["Holdfast's demo: a film catalogue is imported, fails in part, and is healed.", ""]);
      context.print(
        placesOf(
          context,
          holdfast,
          `${folder}  (${options.keep === true ? "kept until Ctrl-C" : "removed at the end"})`,
        ),
      );
      return await tell(context, holdfast, async (claims) => {
        const code = judge(context, claims, performance.now() - began);
        if (options.keep !== true) return code;
        const note =
          "It is still running, with the mended worker: look around in another terminal. Ctrl-C stops it.";
        context.print(["", ...wrapText(note, context.screen().width)]);
        return (await told(context, holdfast)) === undefined ? code : ExitCode.failed;
      });
    } finally {
      await holdfast.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function startOn(
  context: CommandContext,
  folder: string,
  options: DemoOptions,
): Promise<LocalHoldfast> {
  const startWith = (nats = 0, admin = 0, metrics = 0): Promise<LocalHoldfast> =>
    startLocalHoldfast({
      dataDir: folder,
      natsUrl: existingNats(context),
      ...natsOf(context),
      ports: { nats, admin, metrics },
      // Its own lines are the story; what goes wrong ends it.
      logger: localLogger(context, options.verbose === true ? "info" : "error"),
    });
  const { natsPort, adminPort, metricsPort } = options;
  // The usual ports where they are free, so that what is suggested can be typed as it stands; else others.
  const usual = await Promise.all([
    natsPort ?? portOrAny(NATS_PORT_DEFAULT),
    adminPort ?? portOrAny(ADMIN_PORT_DEFAULT),
    metricsPort ?? portOrAny(METRICS_PORT_DEFAULT),
  ]);
  try {
    // One that was free a moment ago may be taken by now; one that was asked for is not given up for another.
    return await startWith(...usual).catch(() => startWith(natsPort, adminPort, metricsPort));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(ExitCode.failed, why, { cause: error });
  }
}

/** Tells the story, then does what comes after it while its last worker still works. */
async function tell(
  outer: CommandContext,
  holdfast: LocalHoldfast,
  afterwards: (claims: Claims) => Promise<ExitCode>,
): Promise<ExitCode> {
  const usual = holdfast.adminAddress.endsWith(`:${ADMIN_PORT_DEFAULT}`);
  // Named only where the address has to be named, so that suggestions stay short.
  const context = createContext(
    { ...outer.io, env: { ...outer.io.env, HOLDFAST_ADMIN: holdfast.adminAddress } },
    usual ? {} : { admin: holdfast.adminAddress },
  );
  const connection = await Holdfast.connect({
    url: holdfast.natsUrl,
    access: natsOf(outer).nats?.access ?? {},
    name: "demo",
  });
  const workers: StoryWorker[] = [];
  const startWorker: StoryParts["startWorker"] = async (check, invocations) => {
    const worker = await createWorker({
      connection,
      workflows: [filmsWorkflow(check, invocations)],
      stopTimeout: "5s",
    });
    workers.push({ id: worker.id, stop: async () => void (await worker.stop()) });
    return workers.at(-1) as StoryWorker;
  };
  const parts = {
    context,
    natsUrl: holdfast.natsUrl,
    catalogue: loadFilms(),
    // On a NATS that others use, too, an earlier demo's run may still be there.
    runId: holdfast.natsManaged ? "film-import" : `film-import-${randomBytes(3).toString("hex")}`,
    startWorker,
  };
  try {
    return await afterwards(await context.withAdmin((admin) => tellStory({ ...parts, admin })));
  } finally {
    for (const worker of workers) await worker.stop();
    await connection.close();
  }
}

function judge(context: CommandContext, claims: Claims, tookMs: number): ExitCode {
  const { broken, count } = claims;
  const took = `It took ${formatSpan(tookMs)}, set-up aside.`;
  if (broken.length === 0) {
    const verdict = `All of this was checked as it happened: ${countOf(count, "claim")} hold. ${took}`;
    context.print(["", ...wrapText(verdict, context.screen().width)]);
    return ExitCode.done;
  }
  context.print(["", `✗ ${formatCount(broken.length)} of ${countOf(count, "claim")} do not hold. ${took}`]);
  for (const { says, found } of broken) context.print([`  ✗ ${says}: found ${found}`]);
  return ExitCode.failed;
}
