/** gRPC's own standard services and error shape, as generated; apart from the contract because they are not Holdfast's. */
export * from "./gen/google/rpc/status_pb.js";
export * from "./gen/grpc/health/v1/health_pb.js";
export * from "./gen/grpc/reflection/v1/reflection_pb.js";
