import { randomInt } from "node:crypto";
import type { Ctx, ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";

const CODES = 10;
/** Crockford's letters and digits: none is taken for another. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const GROUPS = 3;
const GROUP_LENGTH = 4;

/** Makes ten new codes of the viewer's, each worth 60 bits, in the place of all old ones, and returns them: only their hashes are kept. */
export async function makeRecoveryCodes(ctx: ViewerCtx): Promise<string[]> {
  const codes = Array.from({ length: CODES }, newCode);
  const { accountId } = ctx.viewer;
  await ctx.db.run(dropCodes, [accountId]);
  await ctx.db.run(keepCodes, [accountId, codes.map((code) => hashOf(ctx, accountId, code)), ctx.clock.now()]);
  return codes;
}

/** As `makeRecoveryCodes`, where the viewer has none left; otherwise nothing. */
export async function firstRecoveryCodes(ctx: ViewerCtx): Promise<string[]> {
  return (await recoveryCodesLeft(ctx, ctx.viewer.accountId)) > 0 ? [] : makeRecoveryCodes(ctx);
}

/** How many codes of an account can still be used. */
export async function recoveryCodesLeft(ctx: Ctx, accountId: string): Promise<number> {
  return (await ctx.db.one(countCodes, [accountId])).left;
}

/** Uses a code up; false if it is none, or was used before. Of many at once one gets it. */
export async function useRecoveryCode(ctx: Ctx, accountId: string, code: string): Promise<boolean> {
  const typed = code.toLowerCase().replace(/[\s-]/g, "").replace(/o/g, "0").replace(/[il]/g, "1");
  if (typed.length !== GROUPS * GROUP_LENGTH) return false;
  return (await ctx.db.run(spendCode, [accountId, hashOf(ctx, accountId, typed), ctx.clock.now()])).length > 0;
}

function newCode(): string {
  const group = (): string => Array.from({ length: GROUP_LENGTH }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join("");
  return Array.from({ length: GROUPS }, group).join("-");
}

function hashOf({ keyedHash }: Ctx, accountId: string, code: string): Buffer {
  return keyedHash.hash("recovery-code", `${accountId} ${code.replaceAll("-", "")}`);
}

const dropCodes = statement("recovery-codes-replace", "delete from recovery_codes where account_id = $1");

const keepCodes = statement("recovery-codes-keep", "insert into recovery_codes (account_id, code_hash, created_at) select $1, unnest($2::bytea[]), $3");

const countCodes = statement<{ left: number }>(
  "recovery-codes-left",
  `select count(*)::int as left from recovery_codes where account_id = $1 and used_at is null`,
);

const spendCode = statement<{ spent: true }>(
  "recovery-code-spend",
  "update recovery_codes set used_at = $3 where account_id = $1 and code_hash = $2 and used_at is null returning true as spent",
);
