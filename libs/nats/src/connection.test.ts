/** What is told of an address where no NATS server is. Needs none. */
import { createServer } from "node:net";
import { silentLogger } from "@holdfast/telemetry";
import { expect, it } from "vitest";
import { Connection } from "./connection.js";

const open = (servers: string) => Connection.open({ servers, name: "test", logger: silentLogger });

it.each([
  "http://127.0.0.1:7460",
  "https://nats.example.org",
  "redis://127.0.0.1:6379",
  "ws://127.0.0.1:443",
])("refuses %s at once: it is no address of a NATS server", async (servers) => {
  await expect(open(servers)).rejects.toMatchObject({
    code: "config-mismatch",
    message: `${servers} is no address of a NATS server: write nats://host:4222, or tls:// for TLS`,
  });
});

it("says of what does not speak NATS that it may be another service, and that nothing has happened", async () => {
  const mute = createServer(() => undefined);
  await new Promise<void>((resolve) => {
    mute.listen(0, "127.0.0.1", resolve);
  });
  const address = mute.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  try {
    await expect(open(`127.0.0.1:${port}`)).rejects.toMatchObject({
      code: "unavailable",
      retry: "safe",
      message: expect.stringMatching(
        /did not say hello within 10 s; check that it is a NATS server's client port/,
      ),
    });
  } finally {
    mute.close();
  }
});
