import * as oidc from "openid-client";
import { Strategy } from "openid-client/passport";
import type { Config, OidcSettings } from "../config.ts";
import { countAttempts } from "../accounts/throttle.ts";
import type { Ctx } from "../context.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { enter } from "./enter.ts";
import { clientOf, providerFailed } from "./oidc-provider.ts";
import { runStrategy } from "./run-strategy.ts";
import { keepRequest, takeRequest } from "./sign-in-request.ts";
import { type Claims, ownPath } from "./single-sign-on-policy.ts";

/** Where the browser goes next, and what it must carry to come back. */
export interface Departure {
  readonly redirectTo: string;
  readonly cookie: string;
}

/** What the sign-in needs when the browser is back: state, nonce and PKCE verifier, as passport's strategy keeps them. */
interface Request {
  readonly session: object;
  readonly returnTo: string;
}

/** Sends somebody to the OpenID Connect provider, with state, nonce and PKCE. `returnTo` is where they go afterwards: a path of ours. */
export async function startOidcSignIn(ctx: Ctx, settings: OidcSettings, returnTo: unknown): Promise<Departure> {
  await countAttempts(ctx, { rule: "single-sign-on/source", key: ctx.source });
  const client = await clientOf(ctx, settings);
  const session = {};
  const outcome = await runStrategy(new OidcStrategy(ctx.config, settings, client, ""), { method: "GET", session });
  if (outcome === null || !("redirectTo" in outcome)) throw new Error("The sign-in did not begin");
  const cookie = await keepRequest<Request>(ctx, { session, returnTo: ownPath(returnTo, publicUrlOf(ctx.config)) });
  return { redirectTo: outcome.redirectTo, cookie };
}

/**
 * Ends what `startOidcSignIn` began, in the same browser: exchanges the code, checks the ID token and starts a session.
 * `search` is the query as it came; returns where to go. Refuses with INVALID_INPUT what was not begun here, was used
 * before or does not hold, and with FORBIDDEN whom the provider or we do not let in.
 */
export async function finishOidcSignIn(ctx: Ctx, settings: OidcSettings, search: string, cookie: string | undefined): Promise<string> {
  const request = await takeRequest<Request>(ctx, cookie);
  if (request === undefined) refuse(ProblemCode.INVALID_INPUT, "This sign-in has expired, was used before or began in another browser. Start again.");
  const client = await clientOf(ctx, settings);
  const outcome = await runStrategy<Vouched>(new OidcStrategy(ctx.config, settings, client, search), { method: "GET", session: request.session }).catch(
    (error: unknown) => providerFailed(ctx, error),
  );
  if (outcome === null) refuse(ProblemCode.FORBIDDEN, "Your organisation's sign-in was not completed. Start again, or ask your administrator.");
  if (!("user" in outcome)) refuse(ProblemCode.INVALID_INPUT, "Your organisation's sign-in could not be confirmed. Start again.");
  const { claims, sid, idToken } = outcome.user;
  await enter(ctx, settings, claims, { name: sid, hint: { protocol: "OIDC", idToken } });
  return request.returnTo;
}

/** The path that the provider sends browsers back to; registered there. */
export const OIDC_CALLBACK = "/sign-in/oidc/callback";

/** The address people open; single sign-on does not start without. */
export function publicUrlOf({ publicUrl }: Config): string {
  if (publicUrl === null) throw new Error("Single sign-on needs PUBLIC_URL");
  return publicUrl;
}

/** What the strategy makes of somebody. */
interface Vouched {
  readonly claims: Claims;
  readonly sid: string | null;
  readonly idToken: string;
}

/** openid-client's strategy (code flow with PKCE) with state and nonce always, and our address from the configuration, never from a header. */
class OidcStrategy extends Strategy {
  private readonly callback: URL; // Passport works with an object made from this one, which has no #names

  constructor(config: Config, settings: OidcSettings, client: oidc.Configuration, search: string) {
    const callbackURL = new URL(`${publicUrlOf(config)}${OIDC_CALLBACK}`);
    super({ config: client, name: "oidc", sessionKey: "oidc", callbackURL, scope: settings.scopes }, (tokens, verified) => {
      vouchedFor(settings, client, tokens).then(
        (vouched) => void verified(null, vouched),
        (error: unknown) => void verified(error),
      );
    });
    this.callback = new URL(callbackURL);
    this.callback.search = search;
  }

  override authorizationRequestParams(): Record<string, string> {
    return { state: oidc.randomState(), nonce: oidc.randomNonce() };
  }

  override currentUrl(): URL {
    return new URL(this.callback);
  }
}

/** What the ID token says, and of what it leaves out what the user info says; their subject is the same. */
async function vouchedFor(
  settings: OidcSettings,
  client: oidc.Configuration,
  tokens: oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers,
): Promise<Vouched> {
  const idClaims = tokens.claims();
  const { id_token: idToken } = tokens;
  if (idClaims === undefined || idToken === undefined) throw new Error("The provider gave no ID token");
  const { userinfo_endpoint: userInfoUrl } = client.serverMetadata();
  const userInfo = userInfoUrl === undefined ? {} : await oidc.fetchUserInfo(client, tokens.access_token, idClaims.sub);
  const said: Record<string, unknown> = { ...userInfo, ...idClaims };
  const claims: Claims = {
    protocol: "OIDC",
    issuer: idClaims.iss,
    subject: idClaims.sub,
    address: textOf(said.email),
    isAddressVerified: [true, "true", 1, "1"].some((yes) => said[settings.verifiedClaim] === yes),
    displayName: textOf(said.name),
    locale: textOf(said.locale),
    groups: [said[settings.groupsClaim]].flat().filter((group) => typeof group === "string"),
  };
  return { claims, sid: textOf(said.sid), idToken };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
