/** For tests of workflows: `@holdfast/sdk/testing`. */
export { startTestCluster, type TestCluster, type TestClusterOptions } from "./test-cluster.js";
