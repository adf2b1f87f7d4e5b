/** The repository's rules, checked on the repository. rules.test.ts checks that each rule can fail. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { circlesOf, IN_A_CIRCLE } from "./circles.js";
import { layerComplaints } from "./layers.js";
import { METRICS_PAGE, undocumentedMetrics } from "./metrics.js";
import {
  indexComplaints,
  lockfileComplaints,
  nameComplaints,
  sizeComplaints,
  topLevelComplaints,
} from "./shape.js";
import { readSourceFiles, root } from "./source-files.js";
import { STATUS_SETS_FILE, strayStatusSets } from "./status-sets.js";
import { escapes, impatience, impureWords } from "./words.js";

const files = readSourceFiles();

describe("in this repository", () => {
  test("imports point down only", () => {
    expect(files.flatMap(layerComplaints)).toEqual([]);
  });

  test("no file joins a circle, and those that have left one are struck off", () => {
    expect(circlesOf(files).flat()).toEqual(IN_A_CIRCLE);
  });

  test("the core is pure", () => {
    expect(files.filter(({ path }) => path.startsWith("libs/core/src/"))).not.toEqual([]);
    expect(files.flatMap(impureWords)).toEqual([]);
  });

  test("nothing escapes the type checker, no test is left out, nothing is left over", () => {
    expect(files.flatMap(escapes)).toEqual([]);
  });

  test("no test depends on a quiet machine", () => {
    expect(files.flatMap(impatience)).toEqual([]);
  });

  test("one file spells the status sets", () => {
    expect(existsSync(join(root, STATUS_SETS_FILE))).toBe(true);
    expect(files.flatMap(strayStatusSets)).toEqual([]);
  });

  test("every metric is documented", () => {
    const page = readFileSync(join(root, METRICS_PAGE), "utf8");
    expect(files.flatMap(undocumentedMetrics(page))).toEqual([]);
  });

  test("files are small, and named for what they own", () => {
    expect(files.flatMap(sizeComplaints)).toEqual([]);
    expect(files.flatMap(nameComplaints)).toEqual([]);
  });

  test("a library's index only re-exports", () => {
    expect(files.flatMap(indexComplaints)).toEqual([]);
  });

  test("the top level holds the folders of the design", () => {
    const tracked = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");
    const folders = tracked.filter((path) => path.includes("/")).map((path) => path.split("/")[0] ?? "");
    expect(topLevelComplaints([...new Set(folders)])).toEqual([]);
  });

  test("every package says the licence whose text the repository holds", () => {
    expect(readFileSync(join(root, "LICENSE"), "utf8")).toContain(
      "Apache License\n                           Version 2.0",
    );
    const tracked = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");
    const manifests = tracked.filter((path) => /(^|\/)package\.json$/.test(path));
    expect(manifests.length).toBeGreaterThan(10);
    for (const path of manifests)
      expect([path, JSON.parse(readFileSync(join(root, path), "utf8")).license]).toEqual([
        path,
        "Apache-2.0",
      ]);
  });

  test("the lockfile names no place that packages come from", () => {
    expect(lockfileComplaints(readFileSync(join(root, "pnpm-lock.yaml"), "utf8"))).toEqual([]);
  });
});
