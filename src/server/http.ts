import cookie from "@fastify/cookie";
import { fastifyApolloHandler } from "@as-integrations/fastify";
import fastify, { type FastifyBaseLogger, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from "fastify";
import type { GraphQLSchema } from "graphql";
import { randomUUID } from "node:crypto";
import path from "node:path";
import { cookieIn, cookieName, createAuthentication } from "../accounts/authentication.ts";
import { exportAuditEvents } from "../audit/export-audit-events.ts";
import { downloadAttachment } from "../attachments/download-attachment.ts";
import { SECOND } from "../clock.ts";
import type { Config } from "../config.ts";
import { createCtx, type Ctx, type Services, signedIn, asConfirmedAdministrator } from "../context.ts";
import { isAway } from "../db/unavailable.ts";
import { downloadExport } from "../exports/download-export.ts";
import { TokenScope } from "../graphql/token-scope.ts";
import { ProblemCode, Refusal, refuse } from "../problem.ts";
import { demoMailPages } from "./demo-mail.ts";
import { createApollo, createValidator, isOpenToAnonymous, notSignedIn, type RequestCtx } from "./graphql.ts";
import { type Readiness, health } from "./health.ts";
import { playground, type PlaygroundConfig } from "./playground.ts";
import { singleSignOn } from "./single-sign-on.ts";
import { serveSubscriptions } from "./subscriptions.ts";
import { mustBeInScope } from "./token-scopes.ts";
import { readUpload, UploadRefused } from "./uploads.ts";

const MAX_BODY_BYTES = 4 * 1024 * 1024;
const CLOSE_IDLE_MS = 50;

/** What the HTTP server needs beside the services. */
export interface HttpOptions {
  readonly services: Services;
  readonly schema: GraphQLSchema;
  readonly readiness: Readiness;
  readonly playground: PlaygroundConfig;
}

/** The HTTP server: GraphQL, downloads, live subscriptions, health and the playground. */
export async function createHttp({
  services,
  schema,
  readiness,
  playground: playgroundConfig,
}: HttpOptions): Promise<{ app: FastifyInstance; listen(): Promise<string>; close(): Promise<void> }> {
  const { config, log } = services;
  const loggerInstance: FastifyBaseLogger = log;
  const requestTimeout = config.limits.requestSeconds * SECOND;
  const app: FastifyInstance = fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: config.trustedProxies.length > 0 && [...config.trustedProxies],
    genReqId: () => randomUUID(),
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout,
    connectionTimeout: config.limits.idleSeconds * SECOND,
    http: { requestTimeout, connectionsCheckingInterval: SECOND }, // Given here, it bounds the headers' own time, too
    forceCloseConnections: "idle",
    return503OnClosing: false, // Who got in is answered like everybody
    routerOptions: { maxParamLength: 100 },
    frameworkErrors: (error, request, reply) => sendError(error, request, reply, services),
  });
  const authenticate = createAuthentication(services);
  const deviceCookie = cookieName(config.publicUrl, "device");
  const validator = createValidator(schema, config);
  const apollo = createApollo(schema, validator);
  await apollo.start();

  await app.register(cookie, { hook: false });
  const headers = secureHeaders(config);
  let closing = false;
  app.addHook("onRequest", async (request, reply) => {
    void reply.headers(headers).header("x-request-id", request.id);
    if (closing) void reply.header("connection", "close");
  });
  app.addHook("onResponse", async (request, reply) => {
    log.info(
      { requestId: request.id, method: request.method, route: request.routeOptions.url ?? "none", status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      "request",
    );
  });
  app.setErrorHandler((error: FastifyError, request, reply) => sendError(error, request, reply, services));
  app.setNotFoundHandler((_request, reply) => reply.code(404).send(failure(ProblemCode.NOT_FOUND, "There is nothing at this address.")));
  app.addContentTypeParser("multipart/form-data", (_request, _payload, done) => done(null));

  const callerOf = (request: FastifyRequest, reply: FastifyReply) => ({
    requestId: request.id,
    client: request.headers["user-agent"] ?? "",
    source: request.ip,
    origin: publicOrigin,
    setSessionCookie: cookieSetter(reply, cookieName(config.publicUrl)),
    deviceToken: cookieIn(request.headers, deviceCookie),
    setDeviceCookie: cookieSetter(reply, deviceCookie),
  });
  const ctxOf = new WeakMap<FastifyRequest, RequestCtx>();
  const authenticated = async (request: FastifyRequest, reply: FastifyReply): Promise<RequestCtx> => {
    const known = ctxOf.get(request);
    if (known) return known;
    const caller = { ...callerOf(request, reply), selects: new Set<string>() };
    const viewer = await authenticate(createCtx(services, caller), request.headers);
    const ctx = { ...createCtx(services, { ...caller, viewer }), selects: caller.selects };
    ctxOf.set(request, ctx);
    return ctx;
  };

  const graphql = fastifyApolloHandler(apollo, {
    context: async (request: FastifyRequest, reply: FastifyReply) => {
      const ctx = await authenticated(request, reply);
      if (ctx.viewer === null) {
        const { query, operationName } = operationOf(request);
        if (!isOpenToAnonymous(config, query, operationName)) throw notSignedIn();
      }
      return ctx;
    },
  });
  app.route({
    method: ["GET", "POST"],
    url: "/graphql",
    preHandler: async (request, reply) => {
      void reply.header("cache-control", "no-store");
      // Those who read an address do not agree on what stands behind a #, which no client sends: we must not look at one query and run another.
      if (request.raw.url?.includes("#")) refuse(ProblemCode.INVALID_INPUT, "The address must not hold a #.");
      const ctx = await authenticated(request, reply); // Here already: what goes wrong in Apollo's own hands is not logged
      if (!isMultipart(request)) return;
      signedIn(ctx);
      if (!request.headers["apollo-require-preflight"]) refuse(ProblemCode.INVALID_INPUT, "An upload needs the header apollo-require-preflight.");
      request.body = await readUpload(request, reply, config);
    },
    handler: graphql,
  });

  const downloads = { "/attachments/:id": downloadAttachment, "/exports/:id": downloadExport };
  for (const [url, download] of Object.entries(downloads)) {
    app.route<{ Params: { id: string } }>({
      method: ["GET", "HEAD"],
      url,
      handler: async (request, reply) => {
        const ctx: Ctx = await authenticated(request, reply);
        mustBeInScope(ctx.viewer, TokenScope.READ);
        const { range, "if-range": ifRange } = request.headers;
        const { status, headers, bytes } = await download(signedIn(ctx), request.params.id, { range, ifRange, wantsBytes: request.method === "GET" });
        return reply
          .code(status)
          .headers(headers)
          .send(bytes ?? "");
      },
    });
  }

  app.get<{ Querystring: Record<string, unknown> }>("/audit/events", async (request, reply) => {
    const ctx: Ctx = await authenticated(request, reply);
    mustBeInScope(ctx.viewer, TokenScope.READ);
    const { headers, bytes } = await exportAuditEvents(await asConfirmedAdministrator(ctx), request.query);
    bytes.on("error", (error) => log.error({ requestId: request.id, err: error }, "an export of the audit broke off"));
    return reply.headers(headers).send(bytes);
  });

  if (config.singleSignOn !== null)
    await app.register(singleSignOn, {
      settings: config.singleSignOn,
      config,
      ctxOf: (request: FastifyRequest, reply: FastifyReply) => createCtx(services, callerOf(request, reply)),
    });

  await app.register(health, { readiness });
  await playground(app, { directory: path.join(import.meta.dirname, "..", "..", "dist", "playground"), config: playgroundConfig });

  if (config.mode === "demo" && config.mail.smtp === null) await demoMailPages(app, services);

  let publicOrigin = config.publicUrl === null ? "" : new URL(config.publicUrl).origin;
  const subscriptions = serveSubscriptions(app.server, { schema, validator, authenticate, services, publicOrigin: () => publicOrigin });
  return {
    app,
    async listen() {
      await app.listen({ port: config.port, host: config.host });
      const address = app.server.address();
      const port = typeof address === "object" && address !== null ? address.port : config.port;
      const url = config.publicUrl ?? `http://localhost:${port}`;
      publicOrigin = new URL(url).origin;
      return url;
    },
    async close() {
      closing = true;
      await subscriptions.close();
      // What is under way is answered; its connection then idles, and nobody would close it for a minute.
      const closeIdle = setInterval(() => app.server.closeIdleConnections(), CLOSE_IDLE_MS);
      await app.close();
      clearInterval(closeIdle);
      await apollo.stop();
    },
  };
}

/** What every answer says to browsers; pages of our own and downloads say it in their own way. One object for all: helmet would make it anew for each. */
function secureHeaders({ publicUrl }: Config): Record<string, string> {
  return {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    ...(publicUrl?.startsWith("https:") ? { "strict-transport-security": "max-age=31536000; includeSubDomains" } : {}),
  };
}

function isMultipart(request: FastifyRequest): boolean {
  return /^multipart\/form-data\b/i.test(request.headers["content-type"] ?? "");
}

function operationOf({ body, query }: FastifyRequest): { query?: unknown; operationName?: unknown } {
  const source = body ?? query;
  return typeof source === "object" && source !== null && !Array.isArray(source) ? source : {};
}

function cookieSetter(reply: FastifyReply, name: string): Ctx["setSessionCookie"] {
  const options = { path: "/", httpOnly: true, sameSite: "strict", secure: name.startsWith("__Host-") } as const;
  return (token, expires) => {
    if (token === null) void reply.clearCookie(name, options);
    else void reply.setCookie(name, token, { ...options, expires });
  };
}

const statusOf: Partial<Record<ProblemCode, number>> = {
  [ProblemCode.UNAUTHENTICATED]: 401,
  [ProblemCode.SECOND_FACTOR_REQUIRED]: 403,
  [ProblemCode.STEP_UP_REQUIRED]: 403,
  [ProblemCode.FORBIDDEN]: 403,
  [ProblemCode.NOT_FOUND]: 404,
  [ProblemCode.ATTACHMENT_HELD]: 409,
  [ProblemCode.ATTACHMENT_REJECTED]: 403,
  [ProblemCode.UNAVAILABLE]: 503,
  [ProblemCode.STORAGE_UNAVAILABLE]: 503,
  [ProblemCode.THROTTLED]: 429,
};

/** The same shape for every error outside GraphQL, and inside it before a document is known. */
function failure(code: string, message: string, extensions: Record<string, unknown> = {}) {
  return { errors: [{ message, extensions: { code, ...extensions } }] };
}

function sendError(error: FastifyError, request: FastifyRequest, reply: FastifyReply, { log }: Services): FastifyReply {
  if (error instanceof Refusal) {
    const { code, message, retryAfter } = error.problem;
    if (retryAfter !== null) void reply.header("retry-after", String(retryAfter));
    return reply.code(statusOf[code] ?? 400).send(failure(code, message));
  }
  if (isAway(error))
    return reply
      .code(503)
      .header("retry-after", "5")
      .send(failure(ProblemCode.UNAVAILABLE, "The service cannot reach its database or its keys for now. Try again shortly."));
  const { statusCode = 500 } = error;
  const code = statusCode === 413 ? ProblemCode.LIMIT_EXCEEDED : ProblemCode.INVALID_INPUT;
  if (error instanceof UploadRefused) return reply.code(statusCode).header("connection", "close").send(failure(code, error.message));
  if (statusCode < 500) return reply.code(statusCode).send(failure(code, clientFault[statusCode] ?? "The request cannot be read."));
  log.error({ requestId: request.id, err: error }, "a request failed unexpectedly");
  return reply.code(500).send(failure("INTERNAL", "Something went wrong on our side. The request id tells us what.", { requestId: request.id }));
}

const clientFault: Record<number, string> = {
  400: "The request cannot be read: its address or its body is malformed.",
  413: "The request is too large.",
  415: "Send application/json, or multipart/form-data for an upload.",
};
