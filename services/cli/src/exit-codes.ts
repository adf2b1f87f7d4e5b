/** What the process' exit code says, for scripts. Documented in `--help`; numbers are for ever. */
import type { RpcCode } from "@holdfast/rpc";

export const ExitCode = {
  /** What was asked was done. */
  done: 0,
  /** The thing asked about failed (such as a run that was waited for), or something broke. */
  failed: 1,
  /** The command line, or a value on it, is not right. */
  usage: 2,
  /** Nobody answered there. */
  unreachable: 3,
  notFound: 4,
  /** It is there, but its state does not allow this. */
  refused: 5,
  /** What was waited for has not ended in time, or what was asked for is accepted and not begun; it goes on. */
  goesOn: 6,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** As a shell reports an interrupted process. */
export const INTERRUPTED = 130;

export const EXIT_CODE_HELP = `Exit codes:
  0  done
  1  the thing asked about failed: a run that was waited for ended FAILED or CANCELLED
  2  usage: the command line, or a value on it, is not right
  3  not reachable: no answer from the admin service
  4  not found
  5  refused: what it is about is in a state that does not allow this
  6  not ended within --timeout, or accepted and not begun: it goes on
130  interrupted with Ctrl-C: what was begun goes on`;

const OF_RPC: Readonly<Partial<Record<RpcCode, ExitCode>>> = {
  UNAVAILABLE: ExitCode.unreachable,
  DEADLINE_EXCEEDED: ExitCode.unreachable,
  INVALID_ARGUMENT: ExitCode.usage,
  OUT_OF_RANGE: ExitCode.usage,
  NOT_FOUND: ExitCode.notFound,
  ALREADY_EXISTS: ExitCode.refused,
  FAILED_PRECONDITION: ExitCode.refused,
  ABORTED: ExitCode.refused,
  PERMISSION_DENIED: ExitCode.refused,
  UNAUTHENTICATED: ExitCode.refused,
  RESOURCE_EXHAUSTED: ExitCode.refused,
};

export const exitCodeOf = (code: RpcCode): ExitCode => OF_RPC[code] ?? ExitCode.failed;

/** An error that is meant for the person or program that called. */
export class CliError extends Error {
  override readonly name = "CliError";

  constructor(
    readonly exitCode: ExitCode,
    /** What happened, to what, and what to do now. */
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Says what goes on though whoever waited for it does not. */
export class InterruptedError extends CliError {
  constructor(message: string) {
    super(ExitCode.goesOn, message);
  }
}

export const usageError = (message: string, options?: { cause?: unknown }): CliError =>
  new CliError(ExitCode.usage, message, options);
