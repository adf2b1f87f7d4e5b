/** The actor service: a node that hosts partitions. */
export { freshNodeId, limitsFrom, NATS_URL_DEFAULT, type NodeProcess, runNode } from "./run-node.js";
export { type RunningNode, type StartNodeOptions, startNode } from "./start-node.js";
