/** The actor service: a node that hosts partitions. */
export { healthOf, type NodeHealth, type Phase, problemsOf, readinessOf } from "./health.js";
export {
  freshNodeId,
  limitsFrom,
  METRICS_HOST_DEFAULT,
  type NodeProcess,
  runNode,
} from "./run-node.js";
export { type RunningNode, type StartNodeOptions, startNode } from "./start-node.js";
