/** The run id of a run in another's place: derived from that one and from who asks, so that asking again names the same run. */
import { derivedRunId } from "./child-id.js";

const OF_A_RESTART = /-again-[0-9a-f]{10}$/;

/** A restart of a restart is named for the first: `order-1-again-0a1b2c3d4e`. */
export const restartRunId = (runId: string, requestId: string): string =>
  derivedRunId(`${runId.replace(OF_A_RESTART, "")}-again-`, `${runId}\0again\0${requestId}`);
