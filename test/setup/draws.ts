/** Before each file of unit tests: all that fast-check draws in it comes from the run's one seed. */
import * as fc from "fast-check";
import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    /** What fast-check draws from. */
    readonly seed: number;
    /** How many sequences of commands a property of the fold draws; costly ones draw a part of it. */
    readonly sequences: number;
  }
}

fc.configureGlobal({ seed: inject("seed") });
