/** Ports of the loopback address. */
import { once } from "node:events";
import { createServer } from "node:net";

/** The wanted port where it is free, else 0: whatever is. */
export async function portOrAny(wanted: number): Promise<number> {
  const server = createServer();
  try {
    server.listen(wanted, "127.0.0.1");
    await once(server, "listening");
    return wanted;
  } catch {
    return 0;
  } finally {
    server.close();
  }
}
