import { randomBytes } from "node:crypto";
import { after, HOUR } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { queueMail } from "../mailer/queue-mail.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { type Account, phraseOf } from "./account.ts";
import { deviceKindOf } from "./device.ts";
import { keepDeviceCookie, useDevice } from "./known-device.ts";
import { countsAsTwoFactors, mustHaveSecondFactor } from "./second-factor-policy.ts";
import { Session, SignInMethod } from "./session.ts";

const MAX_CLIENT_LENGTH = 200;

/** A fresh session: the token is shown once, here, and only its hash is kept. */
export interface SignedIn {
  sessionId: string;
  token: string;
  expiresAt: Date;
  account: Account;
  /** By which the device is known next time; null where it has one already. */
  deviceToken: string | null;
  /** Whether it is good for setting up a second factor only. */
  isConfined: boolean;
}

/**
 * Starts a session for whoever has proved to be the account's owner, by whatever means: the one way in. Whoever signed in
 * before and now does so on a device not seen yet is written to. Where the account has a second factor, nothing gets past
 * here without one: `gaveSecondFactor` says that the caller has checked it.
 */
export async function startSession(ctx: Ctx, account: Account, method: SignInMethod, { gaveSecondFactor = false } = {}): Promise<SignedIn> {
  const isStrong = gaveSecondFactor || countsAsTwoFactors(method);
  if (account.secondFactorAt !== null && !isStrong)
    refuse(ProblemCode.SECOND_FACTOR_REQUIRED, "This account has a second factor. Sign in with your password and that.");
  const token = randomBytes(32).toString("base64url");
  const now = ctx.clock.now();
  const sessionId = newId(now);
  const expiresAt = after(now, ctx.config.session.hours * HOUR);
  const { device, previousSignInAt } = await inTransaction(ctx, async (ctx) => {
    await mustBeAsProved(ctx, account, method);
    const device = await useDevice(ctx, account);
    const session = {
      uuid: sessionId,
      accountId: account.uuid,
      tokenHash: ctx.keyedHash.hash("session-token", token),
      client: ctx.client.slice(0, MAX_CLIENT_LENGTH),
      method,
      deviceId: device.id,
    };
    await ctx.db.manager.insert(Session, {
      ...session,
      createdAt: now,
      lastUsedAt: now,
      expiresAt,
      revokedAt: null,
      confirmedAt: now,
      secondFactorAt: isStrong ? now : null,
    });
    const { previousSignInAt } = await ctx.db.one(noteSignIn, [account.uuid, now]);
    const isUnexpected = device.isNew && previousSignInAt !== null;
    if (isUnexpected) {
      const data = { at: now.toISOString(), ...deviceKindOf(ctx.client) };
      const phrase = await phraseOf(ctx, account);
      await queueMail(ctx, { kind: "new-device", address: account.address, language: account.language, data, phrase });
    }
    await record(
      ctx,
      { action: "session.started", actorId: account.uuid, subjectId: session.uuid, code: method },
      ...(isUnexpected ? [{ action: "device.added" as const, actorId: account.uuid, subjectId: device.id }] : []),
    );
    return { device, previousSignInAt };
  });
  ctx.setSessionCookie(token, expiresAt);
  keepDeviceCookie(ctx, device);
  const isConfined = !isStrong && mustHaveSecondFactor(ctx.config, account.kind);
  Object.assign(account, { lastSignedInAt: now, previousSignInAt });
  return { sessionId, token, expiresAt, account, deviceToken: device.token, isConfined };
}

/**
 * Refuses when the account changed since its owner was proved: a sign-in that waited its turn must not outlive a new password,
 * a new factor, or being disabled. Its row stays locked, so that whoever changes it comes before us or finds our session.
 */
async function mustBeAsProved(ctx: Ctx, { uuid, passwordHash, secondFactorAt }: Account, method: SignInMethod): Promise<void> {
  const [now] = await ctx.db.run(lockAccount, [uuid]);
  const isSame =
    now?.disabledAt === null &&
    (now.secondFactorAt === null) === (secondFactorAt === null) &&
    (method !== SignInMethod.PASSWORD || now.passwordHash === passwordHash);
  if (!isSame) refuse(ProblemCode.INVALID_CREDENTIALS, "This account has just changed. Sign in again.");
}

const lockAccount = statement<Pick<Account, "disabledAt" | "secondFactorAt" | "passwordHash">>(
  "account-lock-to-sign-in",
  `select disabled_at as "disabledAt", second_factor_at as "secondFactorAt", password_hash as "passwordHash" from accounts where id = $1 for no key update`,
);

const noteSignIn = statement<{ previousSignInAt: Date | null }>(
  "account-signed-in",
  `update accounts set previous_sign_in_at = last_signed_in_at, last_signed_in_at = $2 where id = $1 returning previous_sign_in_at as "previousSignInAt"`,
);
