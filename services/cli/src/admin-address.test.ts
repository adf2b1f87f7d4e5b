/** What may stand after --admin and the files of TLS, and what refuses the rest with the form that is right. */
import { describe, expect, it } from "vitest";
import { type AdminOptions, adminPlace } from "./admin-address.js";

const of = (options: AdminOptions, env: Record<string, string> = {}) => adminPlace(options, env);

describe("an admin service's place", () => {
  it.each([
    ["10.0.0.5:7460", "10.0.0.5:7460", undefined],
    ["http://admin.example:80", "admin.example:80", undefined],
    ["HTTP://localhost:7460/", "localhost:7460", undefined],
    ["https://admin.example:443", "admin.example:443", {}],
    ["https://[::1]:7460/", "[::1]:7460", {}],
  ])("is %s", (admin, address, tls) => {
    expect(of({ admin })).toEqual({ address, tls });
    expect(of({}, { HOLDFAST_ADMIN: admin })).toEqual({ address, tls });
  });

  it("is the default where nothing is said, or an empty variable", () => {
    expect(of({})).toEqual({ address: "127.0.0.1:7460", tls: undefined });
    expect(of({}, { HOLDFAST_ADMIN: " ", HOLDFAST_TLS_CA: "" })).toEqual(of({}));
  });

  it.each([
    "",
    "10.0.0.5",
    "https://admin.example",
    "grpc://admin.example:7460",
    "http://admin.example:7460/v1",
    "http://me@admin.example:7460",
    "::1:7460",
    "a:0",
    "a:65536",
    "a:-1",
    "a b:7460",
    "unix:/tmp/x",
  ])("is not %j", (admin) => {
    expect(() => of({ admin })).toThrow(
      `--admin is ${JSON.stringify(admin)}, which is no place of an admin service: write host:port, such as 10.0.0.5:7460, or https://host:port for TLS.`,
    );
    if (admin !== "") expect(() => of({}, { HOLDFAST_ADMIN: admin })).toThrow("HOLDFAST_ADMIN is");
  });
});

describe("TLS", () => {
  const admin = "a:1";

  it("is on where a file is named, by flag or variable, the flag first", () => {
    expect(of({ admin, tlsCa: "ca" }).tls).toEqual({ ca: "ca" });
    expect(of({ admin, tlsCa: "ca" }, { HOLDFAST_TLS_CA: "other" }).tls).toEqual({ ca: "ca" });
    const env = { HOLDFAST_TLS_CA: "ca", HOLDFAST_TLS_CERT: "cert", HOLDFAST_TLS_KEY: "key" };
    expect(of({ admin }, env).tls).toEqual({ ca: "ca", cert: "cert", key: "key" });
    expect(of({ admin: "https://a:1" }, env).tls).toEqual({ ca: "ca", cert: "cert", key: "key" });
  });

  it("is off for http://, whatever the variables say, and flags are refused there", () => {
    expect(of({ admin: "http://a:1" }, { HOLDFAST_TLS_CA: "ca" }).tls).toBeUndefined();
    expect(() => of({ admin: "http://a:1", tlsCa: "ca" })).toThrow("write https://a:1 with --tls-ca");
  });

  it("has a certificate with its key, or none", () => {
    expect(() => of({ admin, tlsCert: "c" })).toThrow("--tls-key (or HOLDFAST_TLS_KEY) is not");
    expect(() => of({ admin, tlsKey: "k" })).toThrow("--tls-cert (or HOLDFAST_TLS_CERT) is not");
  });
});
