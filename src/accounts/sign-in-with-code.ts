import { timingSafeEqual } from "node:crypto";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { ProblemCode, refuse } from "../problem.ts";
import type { Account } from "./account.ts";
import { onDevice } from "./known-device.ts";
import { proveOwner } from "./prove-owner.ts";
import { accountForCode, codeHashOf, mustOfferCodes, userKeyOf } from "./request-sign-in-code.ts";
import { SignInMethod } from "./session.ts";
import { type SignedIn, startSession } from "./start-session.ts";

/** After so many wrong codes none is right any more. */
export const MAX_CODE_TRIES = 5;

/** Who signs in with a code, and on which device where that has no cookie. */
export interface SignInWithCodeInput {
  readonly userId: string;
  readonly code: string;
  readonly deviceToken?: string | null;
}

/** Starts a session for whoever has the code that was sent last. Whatever is wrong with it gets one answer in one time. */
export async function signInWithCode(outerCtx: Ctx, { deviceToken, userId, code }: SignInWithCodeInput): Promise<SignedIn> {
  mustOfferCodes(outerCtx);
  const ctx = onDevice(outerCtx, deviceToken);
  const account = await proveOwner(ctx, userId, () => checkCode(ctx, userId, code));
  if (account === null) refuse(ProblemCode.INVALID_CREDENTIALS, "This code is not right or not good any more. Check it, or ask for a new one.");
  return startSession(ctx, account, SignInMethod.EMAIL_CODE);
}

/** Removes a batch of codes that have expired; returns how many. */
export async function sweepSignInCodes({ db, clock }: Ctx, batch: number): Promise<number> {
  return (await db.run(dropCodes, [clock.now(), batch])).length;
}

/** Counts the try before it looks, so that tries at once do not get more than five; what is right is right once. */
async function checkCode(ctx: Ctx, userId: string, code: string): Promise<Account | null> {
  const { db, clock } = ctx;
  const now = clock.now();
  const [kept] = await db.run(tryCode, [userKeyOf(ctx, userId), now, MAX_CODE_TRIES]);
  const account = await accountForCode(ctx, userId);
  const isRight = timingSafeEqual(kept?.codeHash ?? Buffer.alloc(32), codeHashOf(ctx, kept?.id ?? "", code.replace(/\s/g, "")));
  if (!kept || !isRight || account === null || account.uuid !== kept.accountId) return null;
  return (await db.run(spendCode, [kept.id, now])).length > 0 ? account : null;
}

const tryCode = statement<{ id: string; accountId: string | null; codeHash: Buffer }>(
  "sign-in-code-try",
  `update sign_in_codes set tries = tries + 1 where user_key = $1 and expires_at > $2 and tries < $3 and used_at is null
   returning id, account_id as "accountId", code_hash as "codeHash"`,
);

const spendCode = statement<{ id: string }>("sign-in-code-spend", "update sign_in_codes set used_at = $2 where id = $1 and used_at is null returning id");

const dropCodes = statement<{ id: string }>(
  "sweep-sign-in-codes",
  `delete from sign_in_codes where user_key in
     (select user_key from sign_in_codes where expires_at <= $1 order by expires_at limit $2 for update skip locked) returning id`,
);
