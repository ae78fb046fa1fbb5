import type { Account } from "../accounts/account.ts";
import { hashPassword } from "../accounts/password.ts";
import { parseUserId } from "../accounts/user-id-policy.ts";
import { mustBeStrong } from "../accounts/password-policy.ts";
import { countAttempts } from "../accounts/throttle.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { record } from "../ledger/record.ts";
import type { Language } from "../mailer/language.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { isPending } from "./account-state.ts";
import { invitationHash, placeholderUserId } from "./invitation.ts";

const MAX_PHRASE_LENGTH = 100;

/** What somebody invited chooses. */
export interface AcceptInvitation {
  readonly token: string;
  readonly userId?: string | null;
  readonly password: string;
  readonly personalPhrase?: string | null;
  readonly language?: Language | null;
}

/**
 * Takes an invitation up: the account gets user ID and password, and the link is dead. Starts no session. Used, expired,
 * revoked and random tokens get one answer; of many uses at once one succeeds.
 */
export async function acceptInvitation(ctx: Ctx, { token, userId: wanted, password, personalPhrase, language }: AcceptInvitation): Promise<string> {
  await countAttempts(ctx, { rule: "invitation/source", key: ctx.source });
  const hash = invitationHash(ctx, token) ?? refuseLink();
  const [invited] = await ctx.db.run(findInvited, [hash, ctx.clock.now()]);
  if (invited === undefined) refuseLink();
  const { accountId, address } = invited;
  const userId = userIdOf(invited, wanted ?? null);
  if ((personalPhrase?.length ?? 0) > MAX_PHRASE_LENGTH)
    refuse(ProblemCode.LIMIT_EXCEEDED, `A personal phrase has at most ${MAX_PHRASE_LENGTH} characters.`, { field: "personalPhrase", limit: MAX_PHRASE_LENGTH });
  mustBeStrong(password, { userId, address, organisation: ctx.config.organisation.name, hasSecondFactor: false });
  const passwordHash = await hashPassword(password);
  const directory = await ctx.dataKeys.directory();
  const phrase = personalPhrase?.trim() ? directory.seal({ id: accountId, field: "phrase" }, personalPhrase.trim()) : null;
  await inTransaction(ctx, async (ctx) => {
    const used = await ctx.db.run(useInvitation, [hash, ctx.clock.now()]);
    if (used.length === 0) refuseLink();
    const taken = await ctx.db.run(keyAccount, [accountId, userId, passwordHash, phrase, language ?? null]);
    if (taken.length === 0) refuseUserId();
    await record(ctx, { action: "invitation.accepted", actorId: accountId, subjectId: accountId });
  }).catch(orTaken);
  return userId;
}

/** An administrator made by the command line has a user ID already; everybody else chooses one, by the rule that holds for all. */
function userIdOf({ accountId, userId, address }: { accountId: string; userId: string; address: string }, wanted: string | null): string {
  if (userId === placeholderUserId(accountId)) return parseUserId(wanted ?? "", address);
  if (wanted !== null && wanted.trim().toLowerCase() !== userId)
    refuse(ProblemCode.INVALID_INPUT, "This account has a user ID already. Leave yours out.", { field: "userId" });
  return userId;
}

function refuseLink(): never {
  refuse(ProblemCode.INVALID_CODE, "This link does not work any more, or never did. Ask an administrator for a new one.", { field: "token" });
}

function refuseUserId(): never {
  refuse(ProblemCode.USER_ID_TAKEN, "Somebody has this user ID. Choose another one.", { field: "userId" });
}

/** Two who choose one user ID at the same moment are told apart by the index alone. */
function orTaken(error: unknown): never {
  if (error instanceof Error && "code" in error && error.code === "23505") refuseUserId();
  throw error;
}

const living = `i.token_hash = $1 and i.expires_at > $2 and a.disabled_at is null and ${isPending}`;

const findInvited = statement<Pick<Account, "address" | "userId"> & { accountId: string }>(
  "invitation-find",
  `select a.id as "accountId", a.address, a.user_id as "userId" from invitations i join accounts a on a.id = i.account_id where ${living}`,
);

// The account is locked first: whoever disables it at this moment goes before or after.
const useInvitation = statement<{ id: string }>(
  "invitation-use",
  `with account as (select a.id from invitations i join accounts a on a.id = i.account_id where ${living} for no key update of a)
   delete from invitations i using account where i.account_id = account.id and i.token_hash = $1 returning account.id`,
);

const keyAccount = statement<{ id: string }>(
  "invitation-key-account",
  `update accounts set user_id = $2, password_hash = $3, phrase = coalesce($4, phrase), language = coalesce($5, language)
   where id = $1 and not exists (select from accounts other where other.user_id = $2 and other.id <> $1) returning id`,
);
