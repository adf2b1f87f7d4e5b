/**
 * In which order test files run. Those that start processes mostly wait for them, the others compute: one of the first kind goes before every few of
 * the second, so that there is work for the cores while processes are waited for. What takes long begins early: kills, and long searches.
 */
import { BaseSequencer, type TestSpecification } from "vitest/node";

const WAITING = ["crash", "e2e"];

const rankOf = ({ moduleId, project }: TestSpecification): number => {
  if (project.name === "crash" || moduleId.endsWith(".property.test.ts")) return 0;
  return 1;
};

export default class Order extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = (await super.sort(files)).toSorted((a, b) => rankOf(a) - rankOf(b));
    const waiting = sorted.filter(({ project }) => WAITING.includes(project.name));
    const busy = sorted.filter(({ project }) => !WAITING.includes(project.name));
    if (waiting.length === 0) return busy;
    const between = Math.ceil(busy.length / waiting.length);
    return waiting.flatMap((file, n) => [file, ...busy.slice(n * between, (n + 1) * between)]);
  }
}
