/** The admin service, for its own process (main.ts) and for processes that run it beside other parts. */
export { type AdminServiceInstance, createAdminService } from "./create-admin-service.js";
export { translate } from "./errors.js";
export type { AdminParts, ClusterInfo, InputValidator } from "./parts.js";
export { ADMIN_ADDRESS_DEFAULT, serveAdmin, type ServeAdminOptions } from "./serve-admin.js";
export { adminPartsOn, runAdmin, type RunningAdmin } from "./run-admin.js";
export { type AdminConfig, readConfig } from "./config.js";
