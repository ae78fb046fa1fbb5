import { randomInt } from "node:crypto";
import { before, DAY, MINUTE } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import { brandOf } from "../mailer/brand.ts";
import { Language } from "../mailer/language.ts";
import { queueMail } from "../mailer/queue-mail.ts";
import { CODE_MINUTES, type CodePurpose, hashOfCode, hashOfToken, newToken } from "./validation.ts";

/**
 * Mails to one address for one purpose within the time that a code holds; what is asked for beyond them goes nowhere. So whoever
 * was mailed so many has links that work, whoever asked for them.
 */
export const MAX_CODES = 5;

const CODE_DIGITS = 8;
const FORGET_AT_ONCE = 1000;

/** Which mail goes with which purpose, and which page its link opens; the token stands behind the `#`, which no server gets to see. */
const mailOf = {
  VALIDATE: { kind: "validation-code", page: "/validate" },
  RESET: { kind: "password-reset", page: "/reset-password" },
  CHANGE_ADDRESS: { kind: "validation-code", page: "/confirm-address" },
} as const;

/** Makes the codes that were asked for and queues their mails, until none is left or it is told to stop. */
export async function mailCodes(ctx: Ctx, stop: AbortSignal): Promise<void> {
  while (!stop.aborted && (await mailNext(ctx)));
}

async function mailNext(ctx: Ctx): Promise<boolean> {
  return inTransaction(ctx, async (ctx) => {
    const now = ctx.clock.now();
    const [request] = await ctx.db.run(nextRequest, [now]);
    if (request === undefined) return false;
    const { id, purpose, address, requestHash, expiresAt, language } = request;
    const { mailed } = await ctx.db.one(recentlyMailed, [address, purpose, before(now, CODE_MINUTES * MINUTE)]);
    if (mailed >= MAX_CODES) {
      await ctx.db.run(giveUp, [id, now]);
      return true;
    }
    await takeBackOlder(ctx, request);
    const code = randomInt(10 ** CODE_DIGITS)
      .toString()
      .padStart(CODE_DIGITS, "0");
    const token = newToken();
    await ctx.db.run(setCode, [id, hashOfCode(ctx, requestHash, code), hashOfToken(ctx, purpose, token)]);
    const { kind, page } = mailOf[purpose];
    const data = { code, url: `${brandOf(ctx.config).publicUrl}${page}#token=${token}`, minutes: CODE_MINUTES };
    await queueMail(ctx, { kind, address, language: language ?? Language[ctx.config.defaultLanguage], data, until: expiresAt });
    await record(ctx, { action: "validation.mailed", subjectId: id, code: purpose });
    return true;
  });
}

/** Removes what has been over for a day. */
export async function forgetValidations(ctx: Ctx, stop: AbortSignal): Promise<void> {
  const overSince = before(ctx.clock.now(), DAY);
  while (!stop.aborted && (await ctx.db.run(forget, [overSince, FORGET_AT_ONCE])).length === FORGET_AT_ONCE);
}

/** Nobody must be able to take back what somebody else asked for: anybody can ask for a reset, and for a change to any address. */
async function takeBackOlder(ctx: Ctx, { n, purpose, address, accountId }: Request): Promise<void> {
  const now = ctx.clock.now();
  if (purpose === "VALIDATE") await ctx.db.run(voidOlderOfAddress, [purpose, address, n, now]);
  if (purpose === "CHANGE_ADDRESS") await ctx.db.run(voidOlderOfAccount, [purpose, accountId, n, now]);
}

interface Request {
  readonly id: string;
  readonly n: number;
  readonly purpose: CodePurpose;
  readonly address: string;
  readonly accountId: string | null;
  readonly requestHash: Buffer;
  readonly expiresAt: Date;
  /** The account's that is mailed to; null where there is none yet. */
  readonly language: Language | null;
}

const nextRequest = statement<Request & Record<string, unknown>>(
  "validation-next-to-mail",
  `select v.id, v.n, v.purpose, v.address, v.account_id as "accountId", v.request_hash as "requestHash", v.expires_at as "expiresAt",
          (select a.language from accounts a where a.id = v.account_id or a.address = v.address limit 1) as language
   from validations v where v.token_hash is null and v.used_at is null and v.address is not null and v.expires_at > $1
   order by v.n limit 1 for update of v skip locked`,
);

const recentlyMailed = statement<{ mailed: number }>(
  "validations-recently-mailed",
  `select count(*)::int as mailed from validations where address = $1 and purpose = $2 and created_at > $3 and code_hash is not null`,
);

const voidOlderOfAddress = statement(
  "validations-void-older-of-address",
  "update validations set used_at = $4 where purpose = $1 and address = $2 and n < $3 and used_at is null",
);

const voidOlderOfAccount = statement(
  "validations-void-older-of-account",
  "update validations set used_at = $4 where purpose = $1 and account_id = $2 and n < $3 and used_at is null",
);

const giveUp = statement("validation-give-up", "update validations set used_at = $2 where id = $1");

const setCode = statement("validation-set-code", "update validations set code_hash = $2, token_hash = $3 where id = $1");

const forget = statement<{ id: string }>(
  "validations-forget",
  `delete from validations where id in (select id from validations where expires_at < $1 order by expires_at limit $2) returning id`,
);
