/**
 * For vitest.config.ts, which vitest's own process loads: its workers end with it. Vitest leaves them be when it is interrupted itself, and one
 * that is busy with a long property does not notice for as long as that takes. What tests start ends with its worker (end-with-parent.ts).
 */
import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";

/** Every process that this one starts from here on is ended when this one ends. */
export function endWorkersWithThis(): void {
  const living = new Set<ChildProcess>();
  subscribe("child_process", (message) => {
    const { process: child } = message as { readonly process: ChildProcess };
    living.add(child);
    child.once("exit", () => living.delete(child));
  });
  process.on("exit", () => {
    for (const child of living) child.kill("SIGKILL");
  });
}
