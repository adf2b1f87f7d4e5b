/** The ports of the engine on NATS: log, bus, registries, work queue. */
export { type ConnectNatsOptions, connectNats, type NatsCluster } from "./cluster.js";
export { PARTITIONS_DEFAULT, PARTITIONS_MAX } from "./cluster-config.js";
