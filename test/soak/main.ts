/**
 * The soak: `npm run soak -- --minutes 60`. Random sequences, kills of real processes, hostile traffic and wide draws in turn, each round with a new seed, until the
 * time is over. One line a round; a round that fails says how to repeat it, and the next one begins. The exit code is 1 where one failed.
 */
import { type Options, readOptions, USAGE } from "./options.js";
import { type Kind, repeatedBy, type Round, roundOf } from "./rounds.js";
import { RoundRunner } from "./run-round.js";

const FAILED_LINES = 60;
const MS_A_MINUTE = 60_000;

interface Tally {
  rounds: number;
  failed: number;
  seconds: number;
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

class Soak {
  readonly #runner = new RoundRunner();
  readonly #tallies = new Map<Kind, Tally>();
  readonly #failed: Round[] = [];
  #interrupted = false;

  constructor(private readonly options: Options) {}

  async run(): Promise<number> {
    const { minutes, only, seed } = this.options;
    const endMs = performance.now() + minutes * MS_A_MINUTE;
    process.on("SIGINT", () => this.#interrupt());
    process.on("SIGTERM", () => this.#interrupt());
    process.on("exit", () => this.#runner.kill());
    say(`${minutes} min of ${only.join(", ")}; the first seed is ${seed}`);
    for (let n = 0; performance.now() < endMs && !this.#interrupted; n++) {
      const kind = only[n % only.length] as Kind;
      await this.#round(n + 1, roundOf(kind, Math.floor(n / only.length), seed + n), endMs);
    }
    return this.#end();
  }

  async #round(number: number, round: Round, endMs: number): Promise<void> {
    const { ok, seconds, output } = await this.#runner.run(round);
    if (this.#interrupted) return;
    const tally = this.#tallies.get(round.kind) ?? { rounds: 0, failed: 0, seconds: 0 };
    this.#tallies.set(round.kind, tally);
    tally.rounds += 1;
    tally.seconds += seconds;
    const left = Math.max(0, Math.ceil((endMs - performance.now()) / MS_A_MINUTE));
    const what = round.files.length === 1 ? ` ${round.files[0]}` : "";
    say(
      `round ${number} ${round.kind}${what}, seed ${round.seed}: ${ok ? "ok" : "FAILED"}, ${Math.round(seconds)} s; ${left} min left`,
    );
    if (ok) return;
    tally.failed += 1;
    this.#failed.push(round);
    say(output.trimEnd().split("\n").slice(-FAILED_LINES).join("\n"));
    say(`again: ${repeatedBy(round)}`);
  }

  /** The first time what runs is let end; the second time nothing is waited for. */
  #interrupt(): void {
    if (this.#interrupted) {
      this.#runner.kill();
      return;
    }
    this.#interrupted = true;
    say("interrupted: what runs is ended");
    this.#runner.interrupt();
  }

  #end(): number {
    say("");
    say("            rounds  failed  minutes");
    for (const [kind, { rounds, failed, seconds }] of this.#tallies)
      say(
        `${kind.padEnd(10)}${String(rounds).padStart(8)}${String(failed).padStart(8)}${(seconds / 60).toFixed(1).padStart(9)}`,
      );
    for (const round of this.#failed) say(`failed: ${repeatedBy(round)}`);
    if (this.#interrupted) return 130;
    return this.#failed.length > 0 ? 1 : 0;
  }
}

try {
  const options = readOptions(process.argv.slice(2), Date.now() % 2 ** 31);
  process.exitCode = await new Soak(options).run();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exitCode = 2;
}
