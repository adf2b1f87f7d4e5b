/** A run whose work is accepted and not begun: it is not there, and yet nothing is lost. Over real gRPC. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { type SampleAdmin, startSampleAdmin } from "./sample-admin.js";
import { typeAt } from "./sample-terminal.js";

let admin: SampleAdmin;
beforeEach(async () => {
  admin = await startSampleAdmin();
});
afterEach(() => admin.close());

it("is said, with an exit code of its own", async () => {
  expect(await typeAt(admin.address, ["run", "soon"])).toEqual({
    code: 6,
    out: "",
    err: "holdfast: run soon is not begun\n",
  });
});

it("is waited for where it is followed, while what is nowhere is not", async () => {
  const followed = await typeAt(admin.address, ["run", "soon", "--watch", "--timeout", "1"], { columns: 80 });
  expect(followed.code).toBe(6);
  expect(followed.out).toContain("run soon is not begun");
  expect(followed.err).toContain("follow it: holdfast run soon --watch");
  expect((await typeAt(admin.address, ["run", "nope", "--watch"])).code).toBe(4);
});
