import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Config, OidcSettings, SamlSettings } from "../config.ts";
import type { Ctx } from "../context.ts";
import { isAway } from "../db/unavailable.ts";
import { unavailable } from "../graphql/mutation-result.ts";
import { ProblemCode, Refusal } from "../problem.ts";
import { type Departure, finishOidcSignIn, OIDC_CALLBACK, startOidcSignIn } from "../single-sign-on/oidc-sign-in.ts";
import { obeyLogoutToken } from "../single-sign-on/oidc-sign-out.ts";
import { goOn, languageOf, sorry } from "../single-sign-on/pages.ts";
import { SAML_ACS, SAML_LOGOUT, SAML_METADATA, samlMetadata } from "../single-sign-on/saml-provider.ts";
import { finishSamlSignIn, startSamlSignIn, takeSamlResponse } from "../single-sign-on/saml-sign-in.ts";
import { type LogoutMessage, obeySamlLogout } from "../single-sign-on/saml-sign-out.ts";
import { REQUEST_MINUTES } from "../single-sign-on/sign-in-request.ts";
import { startPathOf } from "../single-sign-on/start-url.ts";

const MAX_FORM_BYTES = 512 * 1024;
const SAML_FINISH = "/sign-in/saml/finish";

/** What the routes need beside the settings. */
export interface SingleSignOnOptions {
  readonly config: Config;
  readonly ctxOf: (request: FastifyRequest, reply: FastifyReply) => Ctx;
}

type Request = FastifyRequest<{ Querystring: Record<string, unknown>; Body: unknown }>;

/** The pages that browsers meet on their way through single sign-on, and the addresses at which the provider signs people out. */
export async function singleSignOn(
  app: FastifyInstance,
  { settings, ...options }: SingleSignOnOptions & { settings: OidcSettings | SamlSettings },
): Promise<void> {
  // Forms only here: nowhere else may another site's form reach anything
  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string", bodyLimit: MAX_FORM_BYTES }, (_request, body, done) =>
    done(null, new URLSearchParams(body.toString())),
  );
  app.addHook("onRequest", async (_request, reply) => {
    void reply.header("cache-control", "no-store");
  });
  if (settings.kind === "oidc") await oidcRoutes(app, settings, options);
  else await samlRoutes(app, settings, options);
}

async function oidcRoutes(app: FastifyInstance, settings: OidcSettings, { config, ctxOf }: SingleSignOnOptions): Promise<void> {
  const page = pageRoute(settings, ctxOf);
  const { name, set, clear } = cookieOf(config);
  app.get(
    startPathOf(settings),
    page(async (ctx, request, reply) => leave(reply, set, await startOidcSignIn(ctx, settings, request.query.returnTo))),
  );
  app.get(
    OIDC_CALLBACK,
    page(async (ctx, request, reply) => {
      clear(reply);
      const path = await finishOidcSignIn(ctx, settings, searchOf(request), request.cookies[name]);
      return show(reply, goOn(languageOf(request.headers["accept-language"]), path));
    }),
  );
  app.post("/sign-in/oidc/logout", async (request: Request, reply) => {
    try {
      await obeyLogoutToken(ctxOf(request, reply), settings, formOf(request).get("logout_token"));
      return await reply.code(200).send("");
    } catch (error) {
      // OpenID Connect Back-Channel Logout 1.0, section 2.8
      if (!(error instanceof Refusal) || error.problem.code !== ProblemCode.INVALID_INPUT) throw error;
      return reply.code(400).send({ error: "invalid_request", error_description: error.problem.message });
    }
  });
}

async function samlRoutes(app: FastifyInstance, settings: SamlSettings, { config, ctxOf }: SingleSignOnOptions): Promise<void> {
  const page = pageRoute(settings, ctxOf);
  const { name, set, clear } = cookieOf(config);
  app.get(
    startPathOf(settings),
    page(async (ctx, request, reply) => leave(reply, set, await startSamlSignIn(ctx, settings, request.query.returnTo))),
  );
  app.post(
    SAML_ACS,
    page(async (ctx, request, reply) => {
      // The provider's form comes from another site and so without our cookies; the page after it is our own
      const ticket = await takeSamlResponse(ctx, settings, formOf(request));
      return show(reply, goOn(languageOf(request.headers["accept-language"]), `${SAML_FINISH}?ticket=${ticket}`));
    }),
  );
  app.get(
    SAML_FINISH,
    page(async (ctx, request, reply) => {
      clear(reply);
      const { ticket } = request.query;
      const path = await finishSamlSignIn(ctx, settings, typeof ticket === "string" ? ticket : undefined, request.cookies[name]);
      return show(reply, goOn(languageOf(request.headers["accept-language"]), path));
    }),
  );
  const logout = page(async (ctx, request, reply) => {
    const message: LogoutMessage = request.method === "POST" ? { form: formOf(request) } : { search: searchOf(request) };
    const isAnswer = "form" in message ? message.form.has("SAMLResponse") : request.query.SAMLResponse !== undefined;
    if (isAnswer) return show(reply, goOn(languageOf(request.headers["accept-language"]), "/")); // Our own session ended before we asked
    return reply.redirect(await obeySamlLogout(ctx, settings, message), 303);
  });
  app.get(SAML_LOGOUT, logout);
  app.post(SAML_LOGOUT, logout);
  app.get(SAML_METADATA, async (_request, reply) =>
    reply.header("content-type", "application/samlmetadata+xml; charset=utf-8").send(await samlMetadata(config, settings)),
  );
}

/** A route that a person looks at: refusals become a page that says what to do. */
function pageRoute(settings: OidcSettings | SamlSettings, ctxOf: SingleSignOnOptions["ctxOf"]) {
  return (work: (ctx: Ctx, request: Request, reply: FastifyReply) => Promise<FastifyReply>) =>
    async (request: Request, reply: FastifyReply): Promise<FastifyReply> => {
      try {
        return await work(ctxOf(request, reply), request, reply);
      } catch (error) {
        const problem = error instanceof Refusal ? error.problem : isAway(error) ? unavailable() : null;
        if (problem === null) throw error;
        if (problem.retryAfter !== null) void reply.header("retry-after", String(problem.retryAfter));
        const language = languageOf(request.headers["accept-language"]);
        return show(reply, sorry(language, statusOf[problem.code] ?? 400, problem, request.id, startPathOf(settings)));
      }
    };
}

const statusOf: Partial<Record<ProblemCode, number>> = {
  [ProblemCode.FORBIDDEN]: 403,
  [ProblemCode.THROTTLED]: 429,
  [ProblemCode.UNAVAILABLE]: 503,
};

function leave(reply: FastifyReply, set: (reply: FastifyReply, token: string) => void, { redirectTo, cookie }: Departure): FastifyReply {
  set(reply, cookie);
  return reply.redirect(redirectTo, 303);
}

function show(reply: FastifyReply, { status, html }: { status: number; html: string }): FastifyReply {
  return reply.code(status).header("content-type", "text/html; charset=utf-8").send(html);
}

/** The cookie that binds a sign-in to the browser that began it. Lax, for it must come along when the provider sends the browser back. */
function cookieOf({ publicUrl }: Config) {
  const secure = publicUrl?.startsWith("https:") ?? false;
  const name = secure ? "__Host-sso" : "sso";
  const options = { path: "/", httpOnly: true, sameSite: "lax", secure } as const;
  return {
    name,
    set: (reply: FastifyReply, token: string): void => void reply.setCookie(name, token, { ...options, maxAge: REQUEST_MINUTES * 60 }),
    clear: (reply: FastifyReply): void => void reply.clearCookie(name, options),
  };
}

function formOf({ body }: Request): URLSearchParams {
  return body instanceof URLSearchParams ? body : new URLSearchParams();
}

/** The query exactly as it came: signatures cover it so. */
function searchOf({ raw }: Request): string {
  const { url = "" } = raw;
  return url.includes("?") ? url.slice(url.indexOf("?")) : "";
}
