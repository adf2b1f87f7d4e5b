/** The funnel: what is thrown below, as users catch it. */
import { PortError, QueryFailedError } from "@holdfast/engine";
import { expect, it } from "vitest";
import { from } from "./errors.js";

it("what is not available may be later", () => {
  for (const code of ["not-found", "unavailable", "no-responders"] as const)
    expect(from(new PortError(code, "the cluster has no stream yet"))).toMatchObject({
      code: "UNAVAILABLE",
      retry: "safe",
    });
  expect(from(new PortError("too-large", "it is large"))).toMatchObject({
    code: "TOO_LARGE",
    retry: "never",
  });
  expect(from(new PortError("timeout", "late"))).toMatchObject({
    code: "UNKNOWN_OUTCOME",
    retry: "unknown-outcome",
  });
});

it("a question over a closed connection is CLOSED, and a server that can't be used is the caller's to name", () => {
  const cause = new PortError("closed", "the connection was closed by this process");
  expect(
    from(new QueryFailedError("INTERNAL", "partition 0 could not be asked", 0, { cause })),
  ).toMatchObject({
    code: "CLOSED",
    message: cause.message,
  });
  expect(from(new PortError("config-mismatch", "http:// is no NATS server"))).toMatchObject({
    code: "INVALID_ARGUMENT",
    retry: "never",
  });
});
