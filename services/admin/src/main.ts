/** `node --import tsx services/admin/src/main.ts`: the admin service until SIGINT or SIGTERM. */
import { readConfig } from "./config.js";
import { runAdmin } from "./run-admin.js";

try {
  const admin = await runAdmin(readConfig(process.env));
  // Before it says that it is there: whoever reads that may end it at once.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void admin.close());
  process.stdout.write(`admin service on ${admin.address}, metrics on ${admin.metricsUrl}/metrics\n`);
} catch (error) {
  process.stderr.write(
    `the admin service can't start: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exitCode = 1;
}
