import { jwtVerify } from "jose";
import * as oidc from "openid-client";
import { after, MINUTE } from "../clock.ts";
import type { OidcSettings } from "../config.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { endSessionByName, endSessionsOfIdentity } from "./end-sessions.ts";
import { clientOf, discover } from "./oidc-provider.ts";
import { publicUrlOf } from "./oidc-sign-in.ts";
import { nameHash } from "./provider-session.ts";

const EVENT = "http://schemas.openid.net/event/backchannel-logout";
const MAX_AGE_MINUTES = 5;
const TOLERANCE_SECONDS = 30;
/** Signatures that anybody can check and only the provider can make. */
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];
/** Longer addresses are cut off on their way. */
const MAX_HINT_LENGTH = 4000;

/**
 * Obeys a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6), once: ends the session it names by `sid`, or
 * else all that its subject began. Refuses with INVALID_INPUT what does not hold.
 */
export async function obeyLogoutToken(ctx: Ctx, settings: OidcSettings, token: unknown): Promise<void> {
  if (typeof token !== "string" || token.length > 20_000) wrong();
  const { keys, metadata } = await discover(ctx, settings);
  const { payload } = await jwtVerify(token, keys, {
    issuer: metadata.issuer,
    audience: settings.clientId,
    algorithms: ALGORITHMS,
    maxTokenAge: MAX_AGE_MINUTES * 60,
    clockTolerance: TOLERANCE_SECONDS,
    requiredClaims: ["iat", "jti", "events"],
  }).catch((error: unknown) => {
    ctx.log.warn({ requestId: ctx.requestId, err: error }, "a logout token does not hold");
    wrong();
  });
  const { sub, sid, jti, events, nonce } = payload;
  const isLogout = typeof events === "object" && events !== null && typeof Reflect.get(events, EVENT) === "object";
  const name = typeof sid === "string" ? sid : null;
  if (!isLogout || nonce !== undefined || jti === undefined || (name === null && sub === undefined)) wrong();
  await inTransaction(ctx, async (ctx) => {
    await spendLogout(ctx, `${metadata.issuer} ${jti}`);
    const hash = name === null ? null : nameHash(ctx, metadata.issuer, name);
    if (sub !== undefined) await endSessionsOfIdentity(ctx, { issuer: metadata.issuer, subject: sub }, hash && [hash]);
    else if (hash !== null) await endSessionByName(ctx, hash);
  });
}

/** Marks an order to sign out as obeyed, in the caller's transaction; refuses the second time. */
export async function spendLogout(ctx: Ctx, id: string): Promise<void> {
  const expiresAt = after(ctx.clock.now(), 3 * MAX_AGE_MINUTES * MINUTE);
  if ((await ctx.db.run(spend, [ctx.keyedHash.hash("spent-logout", id), expiresAt])).length === 0) wrong();
}

/** Where a browser tells the provider that its session here has ended; null if the provider has no such place. */
export async function oidcSignOutUrl(ctx: Ctx, settings: OidcSettings, idToken: string): Promise<string | null> {
  const client = await clientOf(ctx, settings);
  if (client.serverMetadata().end_session_endpoint === undefined) return null;
  const parameters = { post_logout_redirect_uri: `${publicUrlOf(ctx.config)}/`, ...(idToken.length <= MAX_HINT_LENGTH ? { id_token_hint: idToken } : {}) };
  return oidc.buildEndSessionUrl(client, parameters).href;
}

function wrong(): never {
  return refuse(ProblemCode.INVALID_INPUT, "The logout token does not hold, or was obeyed before.");
}

const spend = statement("spent-logout-add", "insert into spent_logouts (hash, expires_at) values ($1, $2) on conflict do nothing returning 1 as one");
