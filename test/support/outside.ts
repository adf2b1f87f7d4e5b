/**
 * An outside batch system: takes jobs over HTTP, each key once, and works on them as the test lets it. It has a port of its own on
 * loopback and knows nothing of Holdfast.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface Job {
  readonly name: string;
  readonly key: string;
  readonly items: readonly { readonly index: number; readonly item: { readonly id: number } }[];
  submits: number;
  checks: number;
  cancelled: boolean;
}

const DOWN = { down: true };

export class Outside {
  readonly jobs: Job[] = [];
  /** Of each job, how many of its items have a score by now. */
  progress: (job: Job) => number = () => 0;
  /** Ids that can't be scored. */
  readonly bad = new Set<number>();
  /** It answers 503, and does nothing that it is asked to. */
  isDown = false;
  /** Paths that were asked for while it was down. */
  readonly inVain: string[] = [];
  /** Requests are not answered while it is set. */
  hold: (path: string) => Promise<void> = () => Promise.resolve();
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      void this.respond(request, response);
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.answer(request);
    response.statusCode = answer === DOWN ? 503 : answer === undefined ? 404 : 200;
    response.end(JSON.stringify(answer ?? {}));
  }

  private async answer(request: IncomingMessage): Promise<unknown> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = JSON.parse(Buffer.concat(parts).toString()) as { key?: string; items?: Job["items"] };
    const path = request.url ?? "";
    if (this.isDown) this.inVain.push(path);
    const answer = this.isDown ? DOWN : this.answerTo(path, body);
    await this.hold(path);
    return answer;
  }

  private answerTo(path: string, { key = "", items = [] }: { key?: string; items?: Job["items"] }): unknown {
    if (path === "/jobs") {
      let job = this.jobs.find((each) => each.key === key);
      if (job === undefined) {
        const name = `job-${this.jobs.length + 1}`;
        job = { name, key, items, submits: 0, checks: 0, cancelled: false };
        this.jobs.push(job);
      }
      job.submits += 1;
      return { job: job.name };
    }
    const [, , name, verb] = path.split("/");
    const job = this.jobs.find((each) => each.name === name);
    if (job === undefined) return undefined;
    if (verb === "cancel") job.cancelled = true;
    else job.checks += 1;
    const scored = job.items.slice(0, this.progress(job));
    return {
      done: scored.length === job.items.length,
      scores: scored.map(({ index, item }) =>
        this.bad.has(item.id)
          ? { index, problem: `row ${item.id} can't be scored` }
          : { index, score: item.id * 10 },
      ),
    };
  }
}
