import type { Ctx } from "../context.ts";
import { Refusal } from "../problem.ts";
import { oidcSignOutUrl } from "./oidc-sign-out.ts";
import { signOutHint } from "./provider-session.ts";
import { samlSignOutUrl } from "./saml-sign-out.ts";

/** Where the browser of the session that asks ends its session at the provider; null where there is none, or the provider is away. */
export async function providerSignOutUrl(ctx: Ctx): Promise<string | null> {
  const { singleSignOn: settings } = ctx.config;
  if (ctx.viewer === null || settings === null) return null;
  const hint = await signOutHint(ctx, ctx.viewer.sessionId);
  try {
    if (settings.kind === "oidc" && hint?.protocol === "OIDC") return await oidcSignOutUrl(ctx, settings, hint.idToken);
    if (settings.kind === "saml" && hint?.protocol === "SAML") return await samlSignOutUrl(ctx, settings, hint);
    return null;
  } catch (error) {
    if (error instanceof Refusal) return null; // Signed out here it is; the provider could not be asked how
    throw error;
  }
}
