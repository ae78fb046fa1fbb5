import { isNativeError } from "node:util/types";
import { type DestinationStream, pino, type Logger } from "pino";

/** The log: one JSON object a line, with request ids and nothing confidential. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  return pino({ level, base: { service: "secure-mailbox" }, serializers: { err: describe } }, destination);
}

interface Described {
  readonly kind: string;
  readonly code?: string;
  readonly stack?: string[];
  readonly cause?: Described;
}

/** What may be logged of an error: its class, code, stack and cause. Its message may quote input or content, so that stays out. */
export function describe(error: unknown): Described {
  if (!isNativeError(error)) return { kind: typeof error };
  const stack = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return {
    kind: error.name,
    ...("code" in error && typeof error.code === "string" ? { code: error.code } : {}),
    stack: stack.slice(0, 10).map((line) => line.trim()),
    ...(error.cause === undefined ? {} : { cause: describe(error.cause) }),
  };
}
