import { GraphQLError, type GraphQLFormattedError } from "graphql";
import type { Logger } from "pino";
import { isAway } from "../db/unavailable.ts";
import { unavailable } from "../graphql/mutation-result.ts";
import { type Problem, Refusal } from "../problem.ts";

/** An error that nobody expected: its cause stands in the log under the request's id. */
export const INTERNAL = "INTERNAL";

/** What a client may know of an error, over HTTP and WebSocket alike: refusals by their code, our bugs by nothing. */
export function toClientError(formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError {
  const cause = causeOf(error);
  if (cause instanceof Refusal) return coded(formatted, cause.problem);
  if (isAway(cause)) return coded(formatted, unavailable());
  const known =
    cause instanceof GraphQLError ||
    (cause instanceof Error && formatted.extensions?.code !== undefined && formatted.extensions.code !== "INTERNAL_SERVER_ERROR");
  if (!known) return { ...formatted, message: "Something went wrong on our side. The request id tells us what.", extensions: { code: INTERNAL } };
  const { stacktrace: _, ...extensions } = { stacktrace: undefined, ...formatted.extensions };
  return { ...formatted, message: formatted.message.replace(/ Did you mean .*\?$/s, ""), extensions };
}

/** Writes an error that nobody expected to the log: its class, code and stack, never a message that may quote input. */
export function logUnexpected(log: Logger, error: unknown, facts: { requestId: string; operation?: string | undefined; path?: string | undefined }): void {
  const cause = causeOf(error);
  if (cause instanceof Refusal || cause instanceof GraphQLError) return;
  if (isAway(cause)) log.warn({ ...facts, err: cause }, "a request could not reach the database or the keyring");
  else log.error({ ...facts, err: cause }, "a request failed unexpectedly");
}

function causeOf(error: unknown): unknown {
  if (error instanceof GraphQLError && error.originalError) return causeOf(error.originalError);
  // What graphql-js makes of an error of another realm: tests run in one of their own, sockets outside of it.
  return error instanceof Error && "thrownValue" in error ? error.thrownValue : error;
}

function coded({ path, locations }: GraphQLFormattedError, { code, message, ...details }: Problem): GraphQLFormattedError {
  const given = Object.fromEntries(Object.entries(details).filter(([, value]) => value !== null));
  return { message, ...(locations && { locations }), ...(path && { path }), extensions: { code, ...given } };
}
