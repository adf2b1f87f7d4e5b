/** Commands as they have to be typed: what is shown can be copied into a shell as it stands. */

import { safeText } from "./text.js";

/** One word of a shell's command line. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** A sub-command about one thing. An id that begins with `-` stands behind `--`, where it is no option. */
export function withId(verb: string, id: string, ...options: readonly string[]): string {
  const name = shellWord(safeText(id));
  const words = name.startsWith("-") ? [verb, ...options, "--", name] : [verb, name, ...options];
  return words.join(" ");
}

/** A sub-command about several things, in their order. */
export function withIds(verb: string, ...ids: readonly string[]): string {
  const names = ids.map((id) => shellWord(safeText(id)));
  const end = names.some((name) => name.startsWith("-")) ? ["--"] : [];
  return [verb, ...end, ...names].join(" ");
}
