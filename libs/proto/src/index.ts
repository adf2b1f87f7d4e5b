/** The wire contract and the persisted records, as generated. Nothing here is written by hand. */
export * from "./gen/holdfast/v1/admin_pb.js";
export * from "./gen/holdfast/v1/bulk_pb.js";
export * from "./gen/holdfast/v1/command_pb.js";
export * from "./gen/holdfast/v1/common_pb.js";
export * from "./gen/holdfast/v1/definition_pb.js";
export * from "./gen/holdfast/v1/event_pb.js";
export * from "./gen/holdfast/v1/node_pb.js";
export * from "./gen/holdfast/v1/query_pb.js";
export * from "./gen/holdfast/v1/record_pb.js";
export * from "./gen/holdfast/v1/task_pb.js";
export * from "./gen/holdfast/v1/view_pb.js";
