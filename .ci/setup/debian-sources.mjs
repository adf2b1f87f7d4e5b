/**
 * Reads where this machine gets Debian itself from (not its security updates, not other vendors'
 * repositories), from apt's two file formats.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {object} Source
 * @property {string[]} types
 * @property {string[]} uris
 * @property {string[]} suites
 * @property {string[]} components
 * @property {string} [signedBy]
 */

/**
 * `*.sources`: stanzas of `Field: value`, continued on lines that begin with a space.
 * @param {string} text
 * @returns {Source[]}
 */
export function parseDeb822(text) {
  return text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .split(/\n\s*\n/)
    .map((stanza) => {
      /** @type {Map<string, string>} */
      const fields = new Map();
      /** @type {string | undefined} */
      let name;
      for (const line of stanza.split("\n")) {
        const field = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
        if (field) {
          const [, label = "", value = ""] = field;
          name = label.toLowerCase();
          fields.set(name, value.trim());
        } else if (name !== undefined && /^\s/.test(line)) {
          fields.set(name, `${fields.get(name)}\n${line}`);
        }
      }
      /** @param {string} key */
      const words = (key) => (fields.get(key) ?? "").split(/\s+/).filter(Boolean);
      const disabled = (fields.get("enabled") ?? "yes").toLowerCase() === "no";
      const source = {
        types: disabled ? [] : words("types"),
        uris: words("uris"),
        suites: words("suites"),
        components: words("components"),
      };
      const signedBy = fields.get("signed-by");
      return signedBy ? { ...source, signedBy } : source;
    });
}

/**
 * `*.list`: `deb [options] uri suite component…` on each line.
 * @param {string} text
 * @returns {Source[]}
 */
export function parseOneLine(text) {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*(deb)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line);
    if (!match) return [];
    const [, type = "", options = "", uri = "", suite = "", components = ""] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/.exec(options)?.[1];
    const source = {
      types: [type],
      uris: [uri],
      suites: [suite],
      components: components.trim().split(/\s+/),
    };
    return [signedBy ? { ...source, signedBy } : source];
  });
}

/**
 * Debian's own archive, told from a vendor's repository by its keyring or by where mirrors keep it.
 * @param {Source} source
 */
function isDebianArchive({ uris, signedBy }) {
  return signedBy?.includes("debian-archive") || uris.some((uri) => /\/debian\/?$/.test(uri));
}

/**
 * The sources that carry a Debian release itself.
 * @param {readonly Source[]} sources
 * @param {string} codename
 */
export function debianReleases(sources, codename) {
  const names = new Set([codename, "stable", "testing", "unstable", "sid"]);
  return sources.filter(
    (source) =>
      source.types.includes("deb") &&
      source.components.includes("main") &&
      source.suites.some((suite) => names.has(suite)) &&
      isDebianArchive(source),
  );
}

/** @param {string} path */
function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

export function readDebianSources() {
  const folder = "/etc/apt/sources.list.d";
  /** @type {string[]} */
  let names = [];
  try {
    names = readdirSync(folder);
  } catch {
    // A machine may keep all of its sources in sources.list.
  }
  const all = parseOneLine(readIfThere("/etc/apt/sources.list"));
  for (const name of names) {
    const text = readIfThere(join(folder, name));
    if (name.endsWith(".sources")) all.push(...parseDeb822(text));
    else if (name.endsWith(".list")) all.push(...parseOneLine(text));
  }
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(readIfThere("/etc/os-release"))?.[1] ?? "stable";
  return debianReleases(all, codename);
}
