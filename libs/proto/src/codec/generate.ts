/**
 * Owns the one place where source text becomes a function. Must only ever be given source that the
 * emitters made from descriptors or constants: never a piece of a message, of input or of configuration.
 */
export function generate(parameters: Readonly<Record<string, unknown>>, source: string): unknown {
  // oxlint-disable-next-line typescript/no-implied-eval -- compiling source is this file's purpose
  const factory = new Function(...Object.keys(parameters), `"use strict";\n${source}`) as (
    ...values: unknown[]
  ) => unknown;
  return factory(...Object.values(parameters));
}
