/** How files and folders look: size, names, what stands at the top. */
import { packageFolderOf } from "./layers.js";
import { codeOnly, type SourceFile } from "./source-files.js";

export const LINES_MAX = 400;

/** Names that say nothing of what a file owns. */
const VAGUE = new Set(["utils", "util", "common", "misc", "helpers", "helper"]);

const TOP_FOLDERS = new Set(["proto", "services", "libs", "test", "docs", ".ci"]);

export function sizeComplaints({ path, text }: SourceFile): string[] {
  const lines = text.replace(/\n$/, "").split("\n").length;
  return lines > LINES_MAX
    ? [`${path}: ${lines} lines, at most ${LINES_MAX}: split it by what each part owns`]
    : [];
}

export function nameComplaints({ path }: SourceFile): string[] {
  const parts = path.split("/").map((part) => part.replace(/^\./, ""));
  const stems = parts.map((part) => part.replace(/(\.test)?\.(ts|mts|mjs|js)$/, ""));
  const complaints: string[] = [];
  for (const stem of stems) {
    if (!/^[a-z0-9]+([-.][a-z0-9]+)*$/.test(stem)) complaints.push(`${path}: "${stem}" is not kebab-case`);
    if (VAGUE.has(stem)) complaints.push(`${path}: "${stem}" does not say what it owns`);
  }
  return complaints;
}

/** A library's index is its public surface: it re-exports, and holds nothing of its own. */
export function indexComplaints({ path, text }: SourceFile): string[] {
  if (!/^libs\/[^/]+\/src\/index\.ts$/.test(path) || packageFolderOf(path) === undefined) return [];
  const rest = codeOnly(text)
    .replace(/\bexport\s+(type\s+)?(\*(\s+as\s+\w+)?|\{[^}]*\})\s*(from\s*)?;/g, "")
    .trim();
  return rest === "" ? [] : [`${path}: only re-exports belong here, not: ${rest.split("\n")[0]}`];
}

export function topLevelComplaints(folders: readonly string[]): string[] {
  return folders
    .filter((name) => !TOP_FOLDERS.has(name))
    .map((name) => `${name}/: not one of ${[...TOP_FOLDERS].join(", ")}`);
}

/** Where packages come from is each machine's own setting. */
export function lockfileComplaints(text: string): string[] {
  return Array.from(
    text.matchAll(/^.*(?::\/\/|\btarball:).*$/gm),
    ([line]) => `pnpm-lock.yaml: ${line.trim()}`,
  );
}
