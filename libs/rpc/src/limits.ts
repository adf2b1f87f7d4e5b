/** The limits of both ends of a call. */

/** Named limits of a server; each can be set. */
export const DEFAULT_LIMITS = {
  /** Largest request or response: the largest payload, and room for what stands around it. */
  maxMessageBytes: 65 * 1024 * 1024,
  /** Calls at once on one connection; more wait at the caller. */
  maxConcurrentStreams: 256,
  /** A silent connection is asked for a sign of life this often … */
  keepaliveMs: 30_000,
  /** … and is closed without one. */
  keepaliveTimeoutMs: 10_000,
  /** How long `close` lets calls finish. */
  closeGraceMs: 5_000,
} as const;

export type ServerLimits = { readonly [K in keyof typeof DEFAULT_LIMITS]: number };
