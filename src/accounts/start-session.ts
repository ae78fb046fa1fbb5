import { randomBytes } from "node:crypto";
import { after, HOUR } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { Account } from "./account.ts";
import { Session, type SignInMethod } from "./session.ts";

const MAX_CLIENT_LENGTH = 200;

/** A fresh session: the token is shown once, here, and only its hash is kept. */
export interface SignedIn {
  sessionId: string;
  token: string;
  expiresAt: Date;
  account: Account;
}

/** Starts a session for whoever has proved to be the account's owner, by whatever means: the one way in. */
export async function startSession(ctx: Ctx, account: Account, method: SignInMethod): Promise<SignedIn> {
  const token = randomBytes(32).toString("base64url");
  const now = ctx.clock.now();
  const sessionId = newId(now);
  const expiresAt = after(now, ctx.config.session.hours * HOUR);
  await inTransaction(ctx, async (ctx) => {
    const session = {
      uuid: sessionId,
      accountId: account.uuid,
      tokenHash: ctx.keyedHash.hash("session-token", token),
      client: ctx.client.slice(0, MAX_CLIENT_LENGTH),
      method,
    };
    await ctx.db.manager.insert(Session, { ...session, createdAt: now, lastUsedAt: now, expiresAt, revokedAt: null });
    await ctx.db.manager.update(Account, { uuid: account.uuid }, { lastSignedInAt: now });
    await record(ctx, { action: "session.started", actorId: account.uuid, subjectId: session.uuid, code: method });
  });
  ctx.setSessionCookie(token, expiresAt);
  return { sessionId, token, expiresAt, account: Object.assign(account, { lastSignedInAt: now }) };
}
