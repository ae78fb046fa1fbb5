import { randomInt } from "node:crypto";
import { after, MINUTE } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { Language } from "../mailer/language.ts";
import { queueMail } from "../mailer/queue-mail.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { Account, normaliseUserId } from "./account.ts";
import { mayUseEmailCode } from "./email-code-policy.ts";
import { onDevice } from "./known-device.ts";
import { attemptsOn, type OwnerRules } from "./prove-owner.ts";
import { countAttempts } from "./throttle.ts";

/** For how long a code holds. */
export const CODE_MINUTES = 10;
/** How many digits it has. */
export const CODE_DIGITS = 8;

const requestRules: OwnerRules = { account: "sign-in-code/account", device: "sign-in-code/device", source: "sign-in-code/source" };

/**
 * Sends a code to the address of the account with this user ID, if it has one that may use it; one before is void from then on.
 * Answers the same, in the same time, whoever has the user ID. Returns until when a code would hold.
 */
export async function requestSignInCode(outerCtx: Ctx, { userId, deviceToken }: { userId: string; deviceToken?: string | null }): Promise<Date> {
  mustOfferCodes(outerCtx);
  const ctx = onDevice(outerCtx, deviceToken);
  await countAttempts(ctx, ...(await attemptsOn(ctx, userId, requestRules)));
  const account = await accountForCode(ctx, userId);
  const now = ctx.clock.now();
  const expiresAt = after(now, CODE_MINUTES * MINUTE);
  const id = newId(now);
  const code = randomInt(10 ** CODE_DIGITS)
    .toString()
    .padStart(CODE_DIGITS, "0");
  // Whoever has no account leaves the same row and the same event after the same work: only their mail is taken back.
  await inTransaction(ctx, async (ctx) => {
    await ctx.db.run(keepCode, [userKeyOf(ctx, userId), id, account?.uuid ?? null, codeHashOf(ctx, id, code), expiresAt]);
    await ctx.db.run(markMail);
    const { address, language } = account ?? nobody;
    await queueMail(ctx, { kind: "sign-in-code", address, language, data: { code, minutes: CODE_MINUTES } });
    await ctx.db.run(account ? keepMail : dropMail);
    await record(ctx, { action: "sign-in-code.requested", actorId: null, ...(account && { subjectId: account.uuid }) });
  });
  return expiresAt;
}

/** Refuses where the organisation does not let people sign in by e-mailed codes. */
export function mustOfferCodes({ config }: Ctx): void {
  if (!config.emailCodes) refuse(ProblemCode.SIGN_IN_METHOD_OFF, "Signing in by an e-mailed code is switched off here. Sign in with your password.");
}

/** The account of this user ID if it may sign in by a code; null for all others. */
export async function accountForCode(ctx: Ctx, userId: string): Promise<Account | null> {
  const account = userId.includes("\0") ? null : await ctx.db.manager.findOneBy(Account, { userId: normaliseUserId(userId) });
  if (account === null || !mayUseEmailCode(account)) return null;
  return Object.assign(account, { directory: await ctx.dataKeys.directory() });
}

/** How the code that was asked for by this user ID is found, whether anybody has it or not. */
export function userKeyOf({ keyedHash }: Ctx, userId: string): Buffer {
  return keyedHash.hash("sign-in-code-user", normaliseUserId(userId));
}

/** What is kept of a code. */
export function codeHashOf({ keyedHash }: Ctx, id: string, code: string): Buffer {
  return keyedHash.hash("sign-in-code", `${id} ${code}`);
}

const nobody = { address: "nobody@invalid", language: Language.EN };

const markMail = statement("sign-in-code-mark-mail", "savepoint sign_in_code_mail");
const keepMail = statement("sign-in-code-keep-mail", "release savepoint sign_in_code_mail");
const dropMail = statement("sign-in-code-drop-mail", "rollback to savepoint sign_in_code_mail");

const keepCode = statement(
  "sign-in-code-keep",
  `insert into sign_in_codes (user_key, id, account_id, code_hash, expires_at) values ($1, $2, $3, $4, $5)
   on conflict (user_key) do update set id = excluded.id, account_id = excluded.account_id, code_hash = excluded.code_hash,
     tries = 0, expires_at = excluded.expires_at, used_at = null`,
);
