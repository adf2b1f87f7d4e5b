import { describe, expect, it } from "vitest";
import { Parts } from "./parts.js";

const started = async (parts: Parts, log: string[], name: string, stop: () => void = () => undefined) =>
  parts.start(
    name,
    () => log.push(`+${name}`),
    () => {
      log.push(`-${name}`);
      stop();
    },
  );

describe("parts of a process", () => {
  it("stop in reverse, once", async () => {
    const [parts, log] = [new Parts(), [] as string[]];
    await started(parts, log, "nats");
    await started(parts, log, "node");
    await Promise.all([parts.stop(), parts.stop()]);
    expect(log).toEqual(["+nats", "+node", "-node", "-nats"]);
  });

  it("go when a later one can't start, and its reason is what is told", async () => {
    const [parts, log] = [new Parts(), [] as string[]];
    await started(parts, log, "nats");
    const failing = parts.start(
      "admin",
      () => Promise.reject(new Error("port 1 is in use")),
      () => undefined,
    );
    await expect(failing).rejects.toThrow("admin could not start: port 1 is in use");
    expect(log).toEqual(["+nats", "-nats"]);
  });

  it("all stop, also after one that fails to", async () => {
    const [parts, log] = [new Parts(), [] as string[]];
    await started(parts, log, "nats");
    await started(parts, log, "node", () => {
      throw new Error("disk full");
    });
    await expect(parts.stop()).rejects.toThrow("node did not stop cleanly: disk full");
    expect(log).toEqual(["+nats", "+node", "-node", "-nats"]);
  });
});
