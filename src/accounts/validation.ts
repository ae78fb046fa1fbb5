import { randomBytes } from "node:crypto";
import { after, HOUR, MINUTE } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { ProblemCode, refuse } from "../problem.ts";

/** What somebody proves by reading a mail. */
export type CodePurpose = "VALIDATE" | "RESET" | "CHANGE_ADDRESS";

/** Minutes that a mailed code and its link are good for. */
export const CODE_MINUTES = 30;
/** Hours within which whoever validated an address must go on. */
export const ENROLMENT_HOURS = 24;
/** Wrong codes that take a code and its link back. */
export const MAX_WRONG_CODES = 5;

const TOKEN_BYTES = 16;
const TOKEN_FORM = /^[\w-]{22}$/; // 128 bits in base64url
const DECOY = "00000000-0000-0000-0000-000000000000";

/** Something proved, and not used yet. */
export interface Validation {
  readonly id: string;
  /** The address that was mailed to. */
  readonly address: string;
  readonly accountId: string | null;
}

/** Who asks for a code. */
export interface CodeRequest {
  readonly purpose: CodePurpose;
  /** What the page that asks holds, and nobody else: a code counts only together with it. */
  readonly asker: string;
  /** Null where nobody is behind what was asked. */
  readonly address: string | null;
  readonly accountId?: string | null;
}

/**
 * Notes that a code is to be mailed, and returns until when it will be good. The work is the same for an address of null:
 * whether there is anybody to mail to shows only in the job that mails.
 */
export async function requestCode(ctx: Ctx, { purpose, asker, address, accountId = null }: CodeRequest): Promise<Date> {
  const now = ctx.clock.now();
  const id = newId(now);
  const expiresAt = after(now, CODE_MINUTES * MINUTE);
  await inTransaction(ctx, async (ctx) => {
    await ctx.db.run(insertRequest, [id, purpose, address, accountId, hashOfAsker(ctx, asker), now, expiresAt]);
    await record(ctx, { action: "validation.requested", subjectId: id, code: purpose });
  });
  return expiresAt;
}

/** What proves that a mail was read: the code that was typed where it was asked for, or the token of the link. */
export interface Proof {
  readonly asker: string | null;
  readonly code: string | null;
  readonly token: string | null;
}

/** What this proof stands for; refuses with INVALID_CODE whatever is wrong, in one time. A wrong code is counted, a right one can be used once by `redeem`. */
export async function findProved(ctx: Ctx, purpose: CodePurpose, { asker, code, token }: Proof): Promise<Validation> {
  if (token !== null) return findByToken(ctx, purpose, token);
  if (asker === null || code === null) refuse(ProblemCode.INVALID_INPUT, "Give the code with what asked for it, or the token of the link.", { field: "code" });
  const request = hashOfAsker(ctx, asker);
  const [tried] = await ctx.db.run(tryCode, [request, purpose, hashOfCode(ctx, request, code.replace(/\s/g, "")), ctx.clock.now(), MAX_WRONG_CODES]);
  return tried?.isRight ? tried : invalidCode();
}

/** What the token of a link, or one that a code was exchanged for, stands for; refuses with INVALID_CODE whatever is wrong, in one time. */
export async function findByToken(ctx: Ctx, purpose: CodePurpose | "ENROL", token: string): Promise<Validation> {
  const hash = hashOfToken(ctx, purpose, TOKEN_FORM.test(token) ? token : "");
  const [found] = await ctx.db.run(byToken, [hash, purpose, ctx.clock.now()]);
  return found ?? invalidCode();
}

/** Uses what was proved, in the caller's transaction: of many at once one succeeds, the others get the answer of a used one. */
export async function redeem(ctx: Ctx, { id }: Validation): Promise<void> {
  const [used] = await ctx.db.run(use, [id, ctx.clock.now()]);
  if (used === undefined) invalidCode();
}

/** Makes the token that a validated address can be enrolled or attached with; those that it had before are void. */
export async function issueEnrolmentToken(ctx: Ctx, address: string): Promise<{ enrolmentToken: string; expiresAt: Date }> {
  const now = ctx.clock.now();
  const token = newToken();
  const expiresAt = after(now, ENROLMENT_HOURS * HOUR);
  await takeBack(ctx, "ENROL", address);
  await ctx.db.run(insertToken, [newId(now), "ENROL", address, hashOfToken(ctx, "ENROL", token), now, expiresAt]);
  return { enrolmentToken: token, expiresAt };
}

/** Voids the codes, links and tokens of an address for one purpose. */
export async function takeBack(ctx: Ctx, purpose: CodePurpose | "ENROL", address: string): Promise<void> {
  await ctx.db.run(voidOfAddress, [purpose, address, ctx.clock.now()]);
}

/** Voids whatever was mailed for an account. */
export async function takeBackAll(ctx: Ctx, accountId: string): Promise<void> {
  await ctx.db.run(voidOfAccount, [accountId, ctx.clock.now()]);
}

/** The one refusal of every code and token that does not hold. */
export function invalidCode(): never {
  refuse(ProblemCode.INVALID_CODE, "This code or link is wrong, was used, or is too old. Ask for another and try again.");
}

/** 128 random bits. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString("base64url");
}

/** How a token is kept: one purpose's is never another's. */
export function hashOfToken({ keyedHash }: Ctx, purpose: CodePurpose | "ENROL", token: string): Buffer {
  return keyedHash.hash("validation-token", `${purpose} ${token}`);
}

/** How a code is kept: together with the request it belongs to. */
export function hashOfCode({ keyedHash }: Ctx, request: Buffer, code: string): Buffer {
  return keyedHash.hash("validation-code", `${request.toString("hex")} ${code}`);
}

function hashOfAsker({ keyedHash }: Ctx, asker: string): Buffer {
  return keyedHash.hash("validation-request", asker);
}

const insertRequest = statement(
  "validation-request",
  "insert into validations (id, purpose, address, account_id, request_hash, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7)",
);

const insertToken = statement(
  "validation-issue",
  "insert into validations (id, purpose, address, token_hash, created_at, expires_at) values ($1, $2, $3, $4, $5, $6)",
);

/** Writes in every case. The row is locked while its wrong codes are counted, so guesses at once are counted like others. */
const tryCode = statement<Validation & { isRight: boolean | null }>(
  "validation-try-code",
  `update validations v set wrong_codes = wrong_codes + case when code_hash <> $3 then 1 else 0 end
   where id = coalesce((select id from validations where request_hash = $1 and purpose = $2 and code_hash is not null and used_at is null
                        and expires_at > $4 and wrong_codes < $5 order by n desc limit 1), '${DECOY}')
   returning id, address, account_id as "accountId", code_hash = $3 and wrong_codes < $5 as "isRight"`,
);

const byToken = statement<Validation>(
  "validation-by-token",
  `select id, address, account_id as "accountId" from validations
   where token_hash = $1 and purpose = $2 and used_at is null and expires_at > $3 and wrong_codes < ${MAX_WRONG_CODES}`,
);

const use = statement<{ id: string }>("validation-use", "update validations set used_at = $2 where id = $1 and used_at is null returning id");

const voidOfAddress = statement("validations-void", "update validations set used_at = $3 where purpose = $1 and address = $2 and used_at is null");

const voidOfAccount = statement("validations-void-all", "update validations set used_at = $2 where account_id = $1 and used_at is null");
