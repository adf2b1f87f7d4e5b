/** Bytes that are no message are the caller's mistake, whatever they are. */
import { AdminService } from "@holdfast/proto";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { decodeRequest } from "./wire.js";

it.each(AdminService.methods.map((method) => [method.name, method] as const))(
  "any bytes are a request of %s or INVALID_ARGUMENT",
  (_name, method) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const decoded = decodeRequest(method.input, bytes);
        expect(decoded.ok ? "INVALID_ARGUMENT" : decoded.error.code).toBe("INVALID_ARGUMENT");
      }),
      { numRuns: 300 },
    );
  },
);
