import { randomBytes } from "node:crypto";
import { after, HOUR } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { Account } from "./account.ts";
import { authenticatePassword } from "./authentication.ts";
import { hashPassword, isOutdated } from "./password.ts";
import { Session } from "./session.ts";

const MAX_CLIENT_LENGTH = 200;

/** A fresh session: the token is shown once, here, and only its hash is kept. */
export interface SignedIn {
  token: string;
  expiresAt: Date;
  account: Account;
}

/** Checks user ID and password and starts a session. An unknown user ID and a wrong password get one answer in one time. */
export async function signIn(ctx: Ctx, input: { userId: string; password: string }): Promise<SignedIn> {
  const account = await authenticatePassword(ctx, input);
  if (account === null) refuse(ProblemCode.INVALID_CREDENTIALS, "User ID and password do not match. Check both and try again.");
  const token = randomBytes(32).toString("base64url");
  const now = ctx.clock.now();
  const expiresAt = after(now, ctx.config.session.hours * HOUR);
  const renewedHash = isOutdated(account.passwordHash) ? { passwordHash: await hashPassword(input.password) } : {};
  await inTransaction(ctx, async (ctx) => {
    const session = {
      uuid: newId(now),
      accountId: account.uuid,
      tokenHash: ctx.keyedHash.hash("session-token", token),
      client: ctx.client.slice(0, MAX_CLIENT_LENGTH),
    };
    await ctx.db.manager.insert(Session, { ...session, createdAt: now, lastUsedAt: now, expiresAt, revokedAt: null });
    await ctx.db.manager.update(Account, { uuid: account.uuid }, { lastSignedInAt: now, ...renewedHash });
    await record(ctx, { action: "session.started", actorId: account.uuid, subjectId: session.uuid });
  });
  ctx.setSessionCookie(token, expiresAt);
  account.lastSignedInAt = now;
  return { token, expiresAt, account };
}
