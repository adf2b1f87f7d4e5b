/** What the documentation says to type: each command and each flag of it is there. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { AdminService } from "@holdfast/proto";
import { expect, it } from "vitest";
import { typeAt } from "./sample-terminal.js";

const repository = join(import.meta.dirname, "../../..");
const NOWHERE = "127.0.0.1:1";

async function pages(): Promise<string[]> {
  const docs = await readdir(join(repository, "docs"));
  return [
    "README.md",
    "CHANGELOG.md",
    "libs/sdk/README.md",
    ...docs.filter((name) => name.endsWith(".md")).map((name) => join("docs", name)),
  ];
}

/** `holdfast run x --watch` of code blocks and of single words of code, each with its page. */
async function typed(): Promise<{ readonly page: string; readonly line: string }[]> {
  const all = await pages();
  const found = await Promise.all(
    all.map(async (page) => {
      const text = await readFile(join(repository, page), "utf8");
      const blocks = [...text.matchAll(/^(?: {4,}|)(?:npm run (?:-s )?holdfast --|holdfast) ([^\n]*)/gm)];
      const words = [...text.replaceAll(/```[^]*?```/g, "").matchAll(/`holdfast ([^`\n]+)`/g)];
      return [...blocks, ...words].map(([, line = ""]) => ({ page, line: line.replace(/ +#.*$/, "") }));
    }),
  );
  return found.flat();
}

it("names commands and flags that there are", async () => {
  const lines = await typed();
  expect(lines.length).toBeGreaterThan(100);
  const helps = new Map<string, string>();
  const helpOf = async (...names: string[]): Promise<string> => {
    const key = names.join(" ");
    const help = helps.get(key) ?? (await typeAt(NOWHERE, [...names, "--help"], { columns: 200 })).out;
    helps.set(key, help);
    return help;
  };
  const wrong: string[] = [];
  for (const { page, line } of lines) {
    const words = line.match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
    const options = words.filter((word) => /^--?[a-z]/i.test(word)).map((word) => word.replace(/=.*$/, ""));
    const [command = "", second = ""] = words.filter((word) => !word.startsWith("-"));
    const [name = ""] = /^[a-z-]+/.exec(command) ?? [];
    if (name === "" && options.every((option) => option === "--help" || option === "--json")) continue;
    const group = await helpOf(name);
    if (!group.startsWith(`Usage: holdfast ${name}`)) wrong.push(`${page}: there is no command: ${line}`);
    const isGroup = new RegExp(`\\nCommands:\\n(.*\\n)*? {2}${second.replaceAll(/[^a-z-]/g, ".")} `).test(
      group,
    );
    const help = second !== "" && isGroup ? await helpOf(name, second) : group;
    for (const option of options)
      if (!new RegExp(`(^|[\\s,])${option}\\b`, "m").test(help))
        wrong.push(`${page}: there is no ${option}: ${line}`);
  }
  expect(wrong).toEqual([]);
});

it("says something of every call of the admin service, and of no other", async () => {
  const text = await readFile(join(repository, "docs/admin-api.md"), "utf8");
  const calls = AdminService.methods.map(({ name }) => name);
  expect(calls.filter((name) => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
  const called = [...text.matchAll(/AdminService\/(\w+)/g)].map(([, name = ""]) => name);
  expect(called.filter((name) => !calls.includes(name))).toEqual([]);
});
