/** Where the set-up reads and writes. */
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const toolsFolder = join(root, ".tools");
