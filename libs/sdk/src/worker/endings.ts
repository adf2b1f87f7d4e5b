/** How a handler ends other than with a value: what `ctx.noEffect` and `ctx.skip` make, told apart from any value. */
import type { NoEffect, Skip } from "../workflow/types.js";

export class NoEffectEnding {
  constructor(readonly reason: string) {}
}

export class SkipEnding {
  constructor(readonly reason: string) {}
}

/** The public types are opaque, so that only the context makes them. */
export const noEffect = (reason: string): NoEffect => new NoEffectEnding(reason) as unknown as NoEffect;
export const skip = (reason: string): Skip => new SkipEnding(reason) as unknown as Skip;
