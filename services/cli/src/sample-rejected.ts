/** What the small admin service of tests knows of rejected work: two messages, 7 and 8. */
import type { AdminService } from "@holdfast/proto";
import { RpcError, type ServiceHandlers } from "@holdfast/rpc";

type Handlers = Pick<
  ServiceHandlers<typeof AdminService>,
  "listRejected" | "getRejected" | "replayRejected" | "discardRejected" | "listRejectedDecisions"
>;

export function rejectedHandlers(asked: string[]): Handlers {
  const message = { subject: "holdfast.work.film", reason: "no such workflow" };
  return {
    listRejected: async ({ pageToken }) =>
      pageToken === ""
        ? { rejected: [{ id: 7n, ...message }], nextPageToken: "more" }
        : { rejected: [{ id: 8n, ...message }] },
    getRejected: async ({ id }) => {
      if (id >= 100n) throw new RpcError("NOT_FOUND", `there is no rejected work ${id}`);
      return {
        rejected: { id, ...message, body: Buffer.from('{"Title": 7}'), bodyBytes: 12n, runId: "f-1" },
        headers: { "Holdfast-Run-Id": "f-1" },
      };
    },
    replayRejected: async ({ ids, edit, reason }) => {
      const { inputJson = "as it was", workflow = "same", headers = {} } = edit ?? {};
      asked.push(
        `replayRejected ${ids.join("+")} ${inputJson} ${workflow} ${JSON.stringify(headers)} ${reason}`,
      );
      return {
        replayed: ids.filter((id) => id < 99n).length,
        notFound: ids.filter((id) => id > 99n),
        refused: ids
          .filter((id) => id === 99n)
          .map((id) => ({ id, reason: "ann has decided to discard it" })),
        runId: edit === undefined ? "" : "f-1",
      };
    },
    discardRejected: async ({ ids, reason }) => {
      asked.push(`discardRejected ${ids.join("+")} ${reason}`);
      return { discarded: ids.filter((id) => id < 100n).length, notFound: ids.filter((id) => id >= 100n) };
    },
    listRejectedDecisions: async () => ({
      decisions: [
        {
          id: 5n,
          subject: message.subject,
          discarded: true,
          who: "ann",
          reason: "sent by mistake",
          at: { seconds: 1_772_366_400n },
        },
        { id: 4n, subject: message.subject, edited: true, who: "bob", at: { seconds: 1_772_366_300n } },
      ],
    }),
  };
}
