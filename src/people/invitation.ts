import { randomBytes } from "node:crypto";
import { after, DAY } from "../clock.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";

/** For how long an invitation's link holds. */
export const INVITATION_DAYS = 7;

const TOKEN_FORM = /^[\w-]{22}$/;

/** What stands for a user ID until the invitation is accepted; nobody can sign in with it. */
export function placeholderUserId(accountId: string): string {
  return `invited-${accountId}`;
}

/** Gives each account a fresh link, in the caller's transaction, which takes the place of the one before; returns the tokens in order. */
export async function issueInvitations(ctx: Ctx, accountIds: readonly string[]): Promise<string[]> {
  const tokens = accountIds.map(() => randomBytes(16).toString("base64url"));
  const now = ctx.clock.now();
  await ctx.db.run(issue, [accountIds, tokens.map((token) => hashOf(ctx, token)), now, after(now, INVITATION_DAYS * DAY)]);
  return tokens;
}

/** The keyed hash by which an invitation is found; null for what cannot be one's token. */
export function invitationHash(ctx: Ctx, token: string): Buffer | null {
  return TOKEN_FORM.test(token) ? hashOf(ctx, token) : null;
}

function hashOf(ctx: Ctx, token: string): Buffer {
  return ctx.keyedHash.hash("invitation", token);
}

const issue = statement(
  "invitations-issue",
  `insert into invitations (account_id, token_hash, created_at, expires_at)
   select account_id, token_hash, $3, $4 from unnest($1::uuid[], $2::bytea[]) as fresh (account_id, token_hash)
   on conflict (account_id) do update set token_hash = excluded.token_hash, created_at = excluded.created_at, expires_at = excluded.expires_at`,
);
