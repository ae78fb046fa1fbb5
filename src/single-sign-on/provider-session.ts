import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";

/** What the provider wants to be told when a session of its ends: the ID token it gave, or SAML's names for person and session. */
export type SignOutHint =
  | { readonly protocol: "OIDC"; readonly idToken: string }
  | { readonly protocol: "SAML"; readonly nameId: string; readonly nameIdFormat: string | null; readonly sessionIndex: string | null };

/** A session as the provider knows it. */
export interface ProviderSession {
  readonly issuer: string;
  /** What the provider calls it: `sid`, or SAML's SessionIndex; null where it gives it no name. */
  readonly name: string | null;
  readonly hint: SignOutHint;
}

/** Keeps, in the caller's transaction, what binds a session to the provider's. */
export async function keepProviderSession(ctx: Ctx, sessionId: string, identityId: string, { issuer, name, hint }: ProviderSession): Promise<void> {
  const sealed = (await ctx.dataKeys.directory()).seal({ id: sessionId, field: "sign-in" }, hint);
  await ctx.db.run(addProviderSession, [sessionId, identityId, name === null ? null : nameHash(ctx, issuer, name), sealed]);
}

/** What the provider wants to be told of the end of a session; undefined if it was not begun there. */
export async function signOutHint(ctx: Ctx, sessionId: string): Promise<SignOutHint | undefined> {
  const [row] = await ctx.db.run(hintOfSession, [sessionId]);
  return row && (await ctx.dataKeys.directory()).open<SignOutHint>({ id: sessionId, field: "sign-in" }, row.hint);
}

/** How the name of a provider's session is found again. */
export function nameHash(ctx: Ctx, issuer: string, name: string): Buffer {
  return ctx.keyedHash.hash("provider-session", `${issuer} ${name}`);
}

const addProviderSession = statement(
  "provider-session-add",
  "insert into provider_sessions (session_id, identity_id, name_hash, hint) values ($1, $2, $3, $4)",
);

const hintOfSession = statement<{ hint: Buffer }>("provider-session-hint", "select hint from provider_sessions where session_id = $1");
