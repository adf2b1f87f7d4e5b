/** Finds the repository's own source files, and reads them the way a rule needs. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

export interface SourceFile {
  /** From the repository's root, with forward slashes. */
  path: string;
  text: string;
}

const FOLDERS = [".ci", "libs", "services", "test"];
const SKIPPED_FOLDERS = new Set(["node_modules", "gen"]);

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : walk(path);
    return /\.(ts|mts|mjs|js)$/.test(entry.name) ? [path] : [];
  });
}

export function readSourceFiles(): SourceFile[] {
  return FOLDERS.map((name) => join(root, name))
    .filter((folder) => existsSync(folder))
    .flatMap(walk)
    .map((path) => ({ path: relative(root, path).split(sep).join("/"), text: readFileSync(path, "utf8") }));
}

const STRING_OR_COMMENT =
  /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

const blank = (text: string): string => text.replace(/[^\n]/g, " ");

/** The text with comments blanked; lines and columns stay where they are. */
export function withoutComments(text: string): string {
  return text.replace(STRING_OR_COMMENT, (match) => (match.startsWith("/") ? blank(match) : match));
}

/** The text with comments and the insides of strings blanked: what is left is code. */
export function codeOnly(text: string): string {
  return text.replace(STRING_OR_COMMENT, blank);
}

/** What a file imports or re-exports, types included. */
export function importsOf({ text }: SourceFile): string[] {
  const pattern =
    /\b(?:import|export)\b[^;'"`]*?\bfrom\s*["']([^"'\n]+)["']|\bimport\s*\(\s*["']([^"'\n]+)["']|\bimport\s+["']([^"'\n]+)["']/g;
  return Array.from(
    withoutComments(text).matchAll(pattern),
    ([, from, called, bare]) => from ?? called ?? bare ?? "",
  );
}

/** 1-based line of an offset. */
export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length;

export const isTest = (path: string): boolean => path.endsWith(".test.ts") || path.startsWith("test/");
