/** Hands the catalogue in, as any user of NATS would: published on the workflow's subject. */
import { CliError, ExitCode } from "../exit-codes.js";
import { formatCount } from "../render/text.js";
import { type FilmCatalogue, type FilmRow, readColumns } from "./films.js";
import { FILMS_WORKFLOW } from "./films-workflow.js";
import { publishPlainly, PublishError } from "./publish-plainly.js";

export interface PublishedCatalogue {
  /** What was published of each row. */
  readonly rows: readonly FilmRow[];
  /** What to tell of it. */
  readonly text: string;
}

export async function publishCatalogue(
  { rows, source }: FilmCatalogue,
  natsUrl: string,
  runId: string,
): Promise<PublishedCatalogue> {
  const publish = async (published: readonly FilmRow[], how: string): Promise<PublishedCatalogue> => {
    const body = Buffer.from(JSON.stringify({ rows: published }));
    const headers = { "Content-Type": "application/json", "Holdfast-Run-Id": runId };
    const { seq, stream } = await publishPlainly(natsUrl, {
      subject: `holdfast.work.${FILMS_WORKFLOW}`,
      body,
      headers,
    });
    const what = `${formatCount(rows.length)} rows of ${source}, ${how}: ${formatCount(body.length)} bytes of JSON`;
    return {
      rows: published,
      text: `${what}, over a plain NATS connection. JetStream has stored it as #${seq} of ${stream}.`,
    };
  };
  try {
    return await publish(rows, "as shipped").catch((error: unknown) => {
      if (!(error instanceof PublishError) || error.maxBytes === undefined) throw error;
      const limit = formatCount(error.maxBytes);
      return publish(
        rows.map(readColumns),
        `the columns that it reads (this NATS takes ${limit} bytes at once)`,
      );
    });
  } catch (error) {
    if (error instanceof PublishError) throw new CliError(ExitCode.failed, error.message, { cause: error });
    throw error;
  }
}
