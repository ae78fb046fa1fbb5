import { tellEnded } from "../accounts/end-access.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";

const byProvider = { actorId: null, code: "SINGLE_LOGOUT" } as const;

/**
 * Ends, in the caller's transaction, the sessions that an identity began: those which the provider calls by one of these
 * names, or all where it names none.
 */
export async function endSessionsOfIdentity(ctx: Ctx, identity: { issuer: string; subject: string }, nameHashes: readonly Buffer[] | null): Promise<void> {
  await tellEnded(ctx, await ctx.db.run(endOfIdentity, [identity.issuer, identity.subject, nameHashes, ctx.clock.now()]), byProvider);
}

/** Ends, in the caller's transaction, the session which the provider calls by this name. */
export async function endSessionByName(ctx: Ctx, nameHash: Buffer): Promise<void> {
  await tellEnded(ctx, await ctx.db.run(endByName, [nameHash, ctx.clock.now()]), byProvider);
}

const endOfIdentity = statement<{ id: string }>(
  "single-sign-on-end-identity",
  `update sessions s set revoked_at = $4
   from provider_sessions p join identities i on i.id = p.identity_id
   where i.issuer = $1 and i.subject = $2 and ($3::bytea[] is null or p.name_hash = any ($3)) and s.id = p.session_id
     and s.revoked_at is null and s.expires_at > $4
   returning s.id`,
);

const endByName = statement<{ id: string }>(
  "single-sign-on-end-name",
  `update sessions s set revoked_at = $2 from provider_sessions p
   where p.name_hash = $1 and s.id = p.session_id and s.revoked_at is null and s.expires_at > $2 returning s.id`,
);
