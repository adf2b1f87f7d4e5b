/**
 * Where the admin service is and how it is spoken to: `host:port`, `http://host:port` or `https://host:port`, with the files of TLS.
 * What can't be understood is refused with the form that would be, before anything is asked.
 */
import { usageError } from "./exit-codes.js";
import type { Environment } from "./render/style.js";

/** Where `holdfast dev` listens, and where the other commands look, unless told otherwise. */
export const DEFAULT_ADMIN_ADDRESS = "127.0.0.1:7460";
const PORT_MAX = 65_535;

export interface AdminOptions {
  /** Absent: HOLDFAST_ADMIN, else the default. */
  readonly admin?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

export interface AdminTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface AdminPlace {
  /** `host:port` */
  readonly address: string;
  /** Absent: no TLS. */
  readonly tls: AdminTls | undefined;
}

/** `flag` has precedence over its variable, a variable that is empty is none. */
export function adminPlace(options: AdminOptions, env: Environment): AdminPlace {
  const given = (name: string): string | undefined => env[name]?.trim() || undefined;
  const source = options.admin === undefined ? "HOLDFAST_ADMIN" : "--admin";
  const text = (options.admin ?? given("HOLDFAST_ADMIN") ?? DEFAULT_ADMIN_ADDRESS).trim();
  const { scheme, address } = addressOf(text, source);
  const ca = options.tlsCa ?? given("HOLDFAST_TLS_CA");
  const cert = options.tlsCert ?? given("HOLDFAST_TLS_CERT");
  const key = options.tlsKey ?? given("HOLDFAST_TLS_KEY");
  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  if (scheme === "http") {
    const flagged = options.tlsCa ?? options.tlsCert ?? options.tlsKey;
    if (flagged !== undefined)
      throw usageError(
        `${source} is ${text}, which is without TLS: write https://${address} with --tls-ca, --tls-cert or --tls-key.`,
      );
    return { address, tls: undefined };
  }
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined ? ["key", "cert"] : ["cert", "key"];
    throw usageError(
      `A client's certificate goes with its key: --tls-${there} is given, --tls-${missing} (or HOLDFAST_TLS_${missing.toUpperCase()}) is not.`,
    );
  }
  return { address, tls: scheme === "https" || Object.keys(files).length > 0 ? files : undefined };
}

/** `host:port`, the host a name, an IPv4 address, or an IPv6 address in brackets. */
function addressOf(text: string, source: string): { scheme: "http" | "https" | undefined; address: string } {
  const match = /^(?:(https?):\/\/)?(\[[\da-f:.]+\]|[\w.-]+):(\d{1,5})\/?$/i.exec(text);
  const [, scheme, host = "", port = ""] = match ?? [];
  if (match !== null && Number(port) >= 1 && Number(port) <= PORT_MAX)
    return {
      scheme: scheme?.toLowerCase() as "http" | "https" | undefined,
      address: `${host}:${Number(port)}`,
    };
  throw usageError(
    `${source} is ${JSON.stringify(text)}, which is no place of an admin service: write host:port, such as 10.0.0.5:7460, or https://host:port for TLS.`,
  );
}
