/** Every metric that the sources name stands in the documentation, with the same help and kind, where they are written as literals. */
import { isTest, type SourceFile, withoutComments } from "./source-files.js";

export const METRICS_PAGE = "docs/operating.md";

/** `"holdfast_x"` and its help after it, as an argument or as a property. */
const METRIC = /"(holdfast_[a-z_]+)",\s*(?:help: )?"((?:[^"\\]|\\.)*)"/g;

export const undocumentedMetrics =
  (page: string) =>
  (file: SourceFile): string[] => {
    if (!/^(libs|services)\//.test(file.path) || isTest(file.path)) return [];
    return [...withoutComments(file.text).matchAll(METRIC)].flatMap(([, name = "", help = ""]) => {
      const kind = name.endsWith("_total") ? "counter" : "gauge";
      const row = `| \`${name}\` | ${kind} | ${help} |`;
      return page.includes(`${row}\n`) ? [] : [`${file.path}: ${METRICS_PAGE} has no line ${row}`];
    });
  };
