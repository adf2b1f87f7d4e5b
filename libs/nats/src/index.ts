/** The ports of the engine on NATS: log, bus, registries, work queue. */
export { type ConnectNatsOptions, connectNats, type NatsCluster } from "./cluster.js";
export { PARTITIONS_DEFAULT, PARTITIONS_MAX } from "./cluster-config.js";
export { NATS_URL_DEFAULT, type NatsAccess, type NatsSettings, natsAuth, natsSettings } from "./settings.js";
