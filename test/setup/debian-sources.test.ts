/** Where the set-up may fetch a nats-server from: Debian's own archive as this machine reaches it, and nothing else. */
import { describe, expect, test } from "vitest";
import { debianReleases, parseDeb822, parseOneLine } from "../../.ci/setup/debian-sources.mjs";

const DEB822 = `# A comment
Types: deb deb-src
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
# URIs: http://commented.invalid/debian
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://disabled.invalid/debian
Suites: bookworm
Components: main
`;

describe("deb822 sources", () => {
  test("are read stanza by stanza; the release is told from its security updates", () => {
    expect(debianReleases(parseDeb822(DEB822), "bookworm")).toEqual([
      {
        types: ["deb", "deb-src"],
        uris: ["http://mirror.invalid/debian"],
        suites: ["bookworm", "bookworm-updates"],
        components: ["main", "contrib"],
        signedBy: "/usr/share/keyrings/debian-archive-keyring.gpg",
      },
    ]);
  });

  test("keep a key that stands in the file itself", () => {
    const [source] = parseDeb822("Types: deb\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n");
    expect(source?.signedBy).toBe("\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc");
  });

  test("of a machine without any are none", () => {
    expect(debianReleases(parseDeb822(""), "bookworm")).toEqual([]);
  });
});

describe("one-line sources", () => {
  test("are read with their options", () => {
    const text = `
      # deb http://commented.invalid/debian bookworm main
      deb [arch=amd64 signed-by=/keys/debian-archive-keyring.gpg] http://mirror.invalid/debian bookworm main # ours
      deb-src http://mirror.invalid/debian bookworm main
    `;
    expect(parseOneLine(text)).toEqual([
      {
        types: ["deb"],
        uris: ["http://mirror.invalid/debian"],
        suites: ["bookworm"],
        components: ["main"],
        signedBy: "/keys/debian-archive-keyring.gpg",
      },
    ]);
  });
});

test("a vendor's repository is not taken for Debian, though it names Debian's suite", () => {
  const vendors = parseOneLine(
    "deb https://vendor.invalid/apt bookworm main\ndeb [signed-by=/keys/vendor.gpg] https://other.invalid stable main\n",
  );
  expect(vendors).toHaveLength(2);
  expect(debianReleases(vendors, "bookworm")).toEqual([]);
});
