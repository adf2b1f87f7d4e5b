/** For tests of workflows: `@holdfast/sdk/testing`. */
export { replaceHandlers } from "./replace.js";
export { startTestCluster, type TestCluster, type TestClusterOptions, type TestRun } from "./test-cluster.js";
