import { isNativeError } from "node:util/types";
import { KeyringUnavailable } from "../vault/keyring.ts";

const connectionCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ENOENT",
  "ETIMEDOUT",
  "ECANCELED",
  "ECONNABORTED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ERR_STREAM_DESTROYED",
  "3D000", // no such database: it is being restored, or not made yet
  "57014", // a statement that took too long
  "57P01",
  "57P02",
  "57P03",
  "53300",
  "53400",
]);
const connectionWords =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|timeout expired|Client has encountered a connection error|not queryable|pool after calling end|Query runner already released|Transaction is not started/i;

/** True when an error says that PostgreSQL is away, not that we asked something wrong (classes 08, 57P and sockets). */
export function isDatabaseAway(error: unknown): boolean {
  if (!isNativeError(error)) return false; // Not `instanceof`: tests run in a realm of their own, sockets outside of it
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (connectionCodes.has(code) || code.startsWith("08") || connectionWords.test(error.message)) return true;
  if ("errors" in error && Array.isArray(error.errors)) return error.errors.some(isDatabaseAway);
  return "driverError" in error && isDatabaseAway(error.driverError);
}

/** True when the database or what keeps the master keys is away, so that the same request may succeed soon. */
export function isAway(error: unknown): boolean {
  return error instanceof KeyringUnavailable || isDatabaseAway(error);
}

/** True when PostgreSQL gave up a transaction that may simply be run again (deadlock, serialisation). */
export function isTransactionConflict(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "40P01" || error.code === "40001");
}
