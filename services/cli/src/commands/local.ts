/** Registers `dev` and `demo`. What they run is loaded when it is asked for: the other commands start quicker without. */
import type { Command } from "commander";
import { wholeNumber } from "../values.js";
import type { DemoOptions } from "./demo.js";
import type { DevOptions } from "./dev.js";
import type { Register } from "./register.js";

const PORT_MAX = 65_535;

export function registerLocal(program: Command, register: Register): void {
  const dev = program
    .command("dev")
    .summary("run a Holdfast on this machine until Ctrl-C")
    .description(
      "Runs NATS (unless HOLDFAST_NATS_URL names one), a workflow node, the admin service and metrics in one process, on the loopback address. Exits 1 if one of them fails.",
    )
    .option("--data <folder>", "where it keeps everything; default: .holdfast")
    .option("--nats-port <port>", "default: 4222; 0 for a free one", wholeNumber(0, PORT_MAX))
    .option("--admin-port <port>", "default: 7460; 0 for a free one", wholeNumber(0, PORT_MAX))
    .option("--metrics-port <port>", "default: 7461; 0 for a free one", wholeNumber(0, PORT_MAX))
    .option("-v, --verbose", "log what it does, not only warnings");
  register(dev, async (context, _args, options: DevOptions) => {
    const { runDev } = await import("./dev.js");
    return runDev(context, options);
  });

  const demo = program
    .command("demo")
    .summary("an import of real data that fails in part and is healed")
    .description(
      "Runs a Holdfast in a temporary folder, imports a film catalogue on it, shows what fails and why, mends the cause, retries, and checks all that it says. Exits 1 if anything is not as said.",
    )
    .option("--keep", "leave it running afterwards, until Ctrl-C")
    .option(
      "--nats-port <port>",
      "default: 4222, or a free one where that is taken",
      wholeNumber(0, PORT_MAX),
    )
    .option(
      "--admin-port <port>",
      "default: 7460, or a free one where that is taken",
      wholeNumber(0, PORT_MAX),
    )
    .option(
      "--metrics-port <port>",
      "default: 7461, or a free one where that is taken",
      wholeNumber(0, PORT_MAX),
    )
    .option("-v, --verbose", "log what it does, not only warnings");
  register(demo, async (context, _args, options: DemoOptions) => {
    const { runDemo } = await import("./demo.js");
    return runDemo(context, options);
  });
}
