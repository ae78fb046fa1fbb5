import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import {
  createSourceEventStream,
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  getOperationAST,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  OperationTypeNode,
  parse,
} from "graphql";
import { CloseCode, type SubscribePayload } from "graphql-ws";
import { useServer } from "graphql-ws/use/ws";
import { type WebSocket, WebSocketServer } from "ws";
import type { Authenticate } from "../accounts/authentication.ts";
import { stillAlive } from "../accounts/session-queries.ts";
import { SECOND } from "../clock.ts";
import { createCtx, type Services, signedIn, type Viewer, type ViewerCtx } from "../context.ts";
import { isDatabaseAway } from "../db/unavailable.ts";
import type { Logger } from "pino";
import { newId } from "../ids.ts";
import { topicOfSession } from "../ledger/bus.ts";
import { recheckFollowers } from "../messages/mailbox-feed.ts";
import type { SubscriptionCtx } from "../graphql/subscription.ts";
import { INTERNAL, logUnexpected, toClientError } from "./errors.ts";
import { parseOptions, type Validator } from "./graphql.ts";
import { factsOf, mustBeAffordable } from "./operation-limits.ts";

const MAX_OPERATIONS = 20;
const MAX_MESSAGE_BYTES = 256 * 1024;
const MAX_UNREAD_BYTES = 2 * 1024 * 1024;
const FAREWELL_MS = 2 * SECOND;
const RECHECK_MS = SECOND;

/** What serving subscriptions takes. */
export interface SubscriptionOptions {
  readonly schema: GraphQLSchema;
  readonly validator: Validator;
  readonly authenticate: Authenticate;
  readonly services: Services;
  /** The origin of the server's own pages. */
  readonly publicOrigin: () => string;
}

/** What a socket knows about who opened it. */
interface SocketExtra extends Record<PropertyKey, unknown> {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  viewer?: Viewer;
  requestId?: string;
}

/**
 * Subscriptions over the graphql-transport-ws protocol on the HTTP server's own port. Only origins we know may open a
 * socket, only somebody signed in may use it, only subscriptions run on it, and it closes with 4403 within two seconds
 * of the end of its session or access token. A reader that is slow holds its own stream back; one that is gone misses a ping and is cut off.
 */
export function serveSubscriptions(
  server: Server,
  { schema, validator, authenticate, services, publicOrigin }: SubscriptionOptions,
): { close(): Promise<void> } {
  const { config, log, bus } = services;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  const bySession = new Map<string, { sockets: Set<WebSocket>; stop: () => void }>();

  const upgrade = (request: IncomingMessage, connection: Duplex, head: Buffer): void => {
    connection.on("error", () => connection.destroy());
    const origin = request.headers.origin;
    if (URL.parse(request.url ?? "/", "http://localhost")?.pathname !== "/graphql") return refuseUpgrade(connection, "404 Not Found");
    if (origin !== undefined && origin !== publicOrigin() && !config.allowedOrigins.includes(origin)) return refuseUpgrade(connection, "403 Forbidden");
    sockets.handleUpgrade(request, connection, head, (socket) => sockets.emit("connection", socket, request));
  };
  server.on("upgrade", upgrade);

  // Who does not read is not heard either, so that answers cannot pile up; the next ping then cuts it off.
  sockets.on("connection", (socket, { socket: connection }) => {
    const mustRead = (): void => {
      if (socket.bufferedAmount > MAX_UNREAD_BYTES) socket.pause();
    };
    socket.on("message", mustRead).on("ping", mustRead);
    connection.on("drain", () => socket.resume());
  });

  const graphql = useServer<Record<string, unknown>, SocketExtra>(
    {
      schema,
      async onConnect({ connectionParams, extra }) {
        try {
          const authorization = connectionParams?.authorization ?? connectionParams?.Authorization;
          const headers = typeof authorization === "string" ? { authorization } : extra.request.headers;
          const requestId = newId(services.clock.now());
          const viewer = await authenticate(createCtx(services, { requestId }), headers);
          if (viewer === null) return false;
          Object.assign(extra, { viewer, requestId });
          enter(viewer.sessionId, extra.socket);
          return true;
        } catch (error) {
          if (!isDatabaseAway(error)) log.error({ err: error }, "a socket could not be authenticated");
          extra.socket.close(CloseCode.InternalServerError, "Try again later");
          return false;
        }
      },
      async onSubscribe(socket, _id, payload) {
        if (Object.keys(socket.subscriptions).length > MAX_OPERATIONS) return [new GraphQLError(`A socket carries at most ${MAX_OPERATIONS} subscriptions.`)];
        return prepare(services, schema, validator, socket.extra, payload);
      },
      subscribe: subscribeAfresh,
      onNext: ({ extra }, _id, _payload, _args, result) =>
        result.errors ? { ...result, errors: toClientErrors(result.errors, log, extra.requestId) } : result,
      onError: ({ extra }, _id, _payload, errors) => toClientErrors(errors, log, extra.requestId),
    },
    sockets,
    config.limits.pingSeconds * SECOND,
  );

  const enter = (sessionId: string, socket: WebSocket): void => {
    const entry = bySession.get(sessionId) ?? { sockets: new Set(), stop: bus.listen(topicOfSession(sessionId), () => end(sessionId)) };
    bySession.set(sessionId, entry);
    entry.sockets.add(socket);
    socket.once("close", () => {
      entry.sockets.delete(socket);
      if (entry.sockets.size > 0 || bySession.get(sessionId) !== entry) return;
      entry.stop();
      bySession.delete(sessionId);
    });
  };

  const end = (sessionId: string): void => {
    for (const socket of bySession.get(sessionId)?.sockets ?? []) socket.close(CloseCode.Forbidden, "The session has ended");
  };

  const recheck = async (): Promise<void> => {
    try {
      const sessionIds = [...bySession.keys()];
      if (sessionIds.length > 0) {
        const alive = await stillAlive(services, sessionIds);
        for (const sessionId of sessionIds) if (!alive.has(sessionId)) end(sessionId);
      }
      await recheckFollowers(services);
    } catch (error) {
      if (!isDatabaseAway(error)) log.error({ err: error }, "open sockets could not be checked");
    }
    if (!closed) timer = setTimeout(() => void recheck(), RECHECK_MS);
  };
  let closed = false;
  let timer = setTimeout(() => void recheck(), RECHECK_MS);

  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      server.off("upgrade", upgrade);
      const impatience = setTimeout(() => sockets.clients.forEach((socket) => socket.terminate()), FAREWELL_MS);
      await graphql.dispose(); // Waits for every client to say goodbye, too
      clearTimeout(impatience);
    },
  };
}

/** Parses, validates and prices a subscription exactly as a query over HTTP, and makes its context. */
function prepare(
  services: Services,
  schema: GraphQLSchema,
  validator: Validator,
  { viewer, requestId = "" }: SocketExtra,
  payload: SubscribePayload,
): ExecutionArgs | readonly GraphQLError[] {
  try {
    const document = parse(payload.query, parseOptions);
    const faults = validator(document);
    if (faults.length > 0) return faults;
    const operation = getOperationAST(document, payload.operationName);
    if (operation?.operation !== OperationTypeNode.SUBSCRIPTION)
      return [new GraphQLError("Only subscriptions run over the WebSocket; send queries and mutations by POST.")];
    const variableValues = payload.variables ?? {};
    const { selects, ...facts } = factsOf(schema, document, operation, variableValues);
    mustBeAffordable({ selects, ...facts });
    const fresh = (): ViewerCtx => signedIn(createCtx(services, { viewer: viewer ?? null, requestId, selects }));
    const contextValue: SubscriptionCtx = { ...fresh(), fresh };
    return { schema, document, variableValues, contextValue, ...(payload.operationName ? { operationName: payload.operationName } : {}) };
  } catch (error) {
    if (!(error instanceof GraphQLError))
      return [new GraphQLError("The subscription could not be prepared.", { originalError: error instanceof Error ? error : null })];
    error.extensions.code ??= "GRAPHQL_PARSE_FAILED";
    return [error];
  }
}

/** Subscribes like graphql-js, but executes each event with a context of its own. */
async function subscribeAfresh(args: ExecutionArgs): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult> {
  const events = await createSourceEventStream(args);
  if (!(Symbol.asyncIterator in events)) return events;
  const source = events[Symbol.asyncIterator]();
  const { contextValue } = args;
  if (!isSubscriptionCtx(contextValue)) throw new Error("A subscription runs in the context that prepare() made");
  const { fresh } = contextValue;
  const results: AsyncIterableIterator<ExecutionResult> = {
    async next() {
      const { done, value } = await source.next();
      if (done) return { done, value: undefined };
      return { done: false, value: await execute({ ...args, rootValue: value, contextValue: { ...fresh(), fresh } }) };
    },
    async return() {
      await source.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => results,
  };
  return results;
}

function isSubscriptionCtx(value: unknown): value is SubscriptionCtx {
  return typeof value === "object" && value !== null && "fresh" in value;
}

function toClientErrors(errors: readonly (GraphQLError | GraphQLFormattedError)[], log: Logger, requestId = ""): GraphQLFormattedError[] {
  return errors.map((error) => {
    if (!(error instanceof GraphQLError)) return error;
    logUnexpected(log, error, { requestId, path: error.path?.join(".") });
    const formatted = toClientError(error.toJSON(), error);
    const extensions = { code: "BAD_USER_INPUT", ...formatted.extensions };
    return { ...formatted, extensions: extensions.code === INTERNAL ? { ...extensions, requestId } : extensions };
  });
}

function refuseUpgrade(connection: Duplex, status: string): void {
  connection.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
