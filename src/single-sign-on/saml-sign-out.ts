import { type Profile, SAML } from "@node-saml/passport-saml";
import { countAttempts } from "../accounts/throttle.ts";
import { MINUTE, SECOND, systemClock } from "../clock.ts";
import type { SamlSettings } from "../config.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { ProblemCode, Refusal, refuse } from "../problem.ts";
import { endSessionsOfIdentity } from "./end-sessions.ts";
import { publicUrlOf } from "./oidc-sign-in.ts";
import { spendLogout } from "./oidc-sign-out.ts";
import { nameHash, type SignOutHint } from "./provider-session.ts";
import { attributeOf, childrenOf, readPosted, readRedirected, signedQuery, textOf } from "./saml-message.ts";
import { CLOCK_SKEW_SECONDS, SAML_LOGOUT, samlConfigOf } from "./saml-provider.ts";

const MAX_AGE_MINUTES = 5;

/** A message to the logout address: posted as a form, or in the query as it came. */
export type LogoutMessage = { readonly form: URLSearchParams } | { readonly search: string };

/**
 * Obeys the provider's LogoutRequest, once: ends the sessions it names, or all that its subject began. Returns where the
 * browser takes our answer. Refuses with INVALID_INPUT what is not signed, not ours, too old or does not hold.
 */
export async function obeySamlLogout(ctx: Ctx, settings: SamlSettings, message: LogoutMessage): Promise<string> {
  await countAttempts(ctx, { rule: "single-sign-on/source", key: ctx.source });
  const saml = new LogoutSaml(await samlConfigOf(ctx.config, settings));
  const { profile, relayState } = await verified(saml, message).catch((error: unknown) => {
    if (error instanceof Refusal) throw error;
    ctx.log.warn({ requestId: ctx.requestId, err: error }, "a SAML logout request does not hold");
    return wrong();
  });
  const request = saml.request;
  const [destination, issuedAt] = [attributeOf(request, "Destination"), Date.parse(attributeOf(request, "IssueInstant") ?? "")];
  const age = systemClock.now().getTime() - issuedAt; // By the provider's clock, which no sandbox moves
  const inTime = age < MAX_AGE_MINUTES * MINUTE && age > -CLOCK_SKEW_SECONDS * SECOND;
  if (profile.ID === undefined || !inTime || destination !== `${publicUrlOf(ctx.config)}${SAML_LOGOUT}`) return wrong();
  const names = childrenOf(request, "SessionIndex").flatMap((index) => textOf(index) ?? []);
  const identity = { issuer: settings.idpIssuer, subject: profile.nameID };
  await inTransaction(ctx, async (ctx) => {
    await spendLogout(ctx, `${settings.idpIssuer} ${profile.ID ?? ""}`);
    await endSessionsOfIdentity(ctx, identity, names.length > 0 ? names.map((name) => nameHash(ctx, settings.idpIssuer, name)) : null);
  });
  return saml.getLogoutResponseUrlAsync(profile, relayState, {}, true);
}

/** Where a browser tells the provider that its session here has ended; null if the provider has no such place. */
export async function samlSignOutUrl(ctx: Ctx, settings: SamlSettings, hint: SignOutHint & { protocol: "SAML" }): Promise<string | null> {
  if (settings.logoutUrl === null) return null;
  const saml = new SAML(await samlConfigOf(ctx.config, settings));
  const profile: Profile = {
    issuer: settings.idpIssuer,
    nameID: hint.nameId,
    nameIDFormat: hint.nameIdFormat ?? "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
    ...(hint.sessionIndex === null ? {} : { sessionIndex: hint.sessionIndex }),
  };
  return saml.getLogoutUrlAsync(profile, "", {});
}

async function verified(saml: LogoutSaml, message: LogoutMessage): Promise<{ profile: Profile; relayState: string }> {
  if ("search" in message) {
    const { parameters, signed } = signedQuery(message.search);
    readRedirected(parameters.SAMLRequest ?? "");
    const { profile } = await saml.validateRedirectAsync(parameters, signed);
    return { profile: profile ?? wrong(), relayState: parameters.RelayState ?? "" };
  }
  const [encoded, ...others] = message.form.getAll("SAMLRequest");
  if (encoded === undefined || others.length > 0) return wrong();
  readPosted(encoded);
  const { profile } = await saml.validatePostRequestAsync({ SAMLRequest: encoded });
  return { profile, relayState: message.form.get("RelayState") ?? "" };
}

/** Keeps the verified request, of which node-saml's profile says only half. */
class LogoutSaml extends SAML {
  request: unknown = null;

  protected override async processValidlySignedPostRequestAsync(doc: Record<string, unknown>, dom: unknown): Promise<{ profile: Profile; loggedOut: boolean }> {
    this.request = doc.LogoutRequest;
    return super.processValidlySignedPostRequestAsync(doc, dom);
  }
}

function wrong(): never {
  return refuse(ProblemCode.INVALID_INPUT, "The request to sign out does not hold, or was obeyed before.");
}
