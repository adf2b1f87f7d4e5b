/** The actor service: a node that hosts partitions. */
export { type RunningNode, type StartNodeOptions, startNode } from "./start-node.js";
