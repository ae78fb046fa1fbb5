import { Account, AccountKind } from "../accounts/account.ts";
import { createAccount } from "../accounts/create-account.ts";
import { mustBeStrong } from "../accounts/password-policy.ts";
import { hashPassword } from "../accounts/password.ts";
import { parseDisplayName, parsePhrase } from "../accounts/profile-policy.ts";
import { SignInMethod } from "../accounts/session.ts";
import { type SignedIn, startSession } from "../accounts/start-session.ts";
import { countAttempts } from "../accounts/throttle.ts";
import { parseUserId } from "../accounts/user-id-policy.ts";
import { findByToken, invalidCode, redeem } from "../accounts/validation.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { brokenConstraint } from "../db/broken-constraint.ts";
import { record } from "../ledger/record.ts";
import type { Language } from "../mailer/language.ts";
import { MailboxKind } from "../mailboxes/mailbox.ts";
import { letIn, openMailbox } from "../mailboxes/open-mailbox.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { hasOwner, lockAddress, mustBeExternal } from "./address-owner.ts";

/** What somebody chooses at their first visit. */
export interface Enrolment {
  readonly enrolmentToken: string;
  readonly userId: string;
  readonly password: string;
  readonly displayName: string;
  readonly language: Language;
  readonly personalPhrase: string | null;
}

/**
 * Makes the account of whoever validated an address, gives it the mailbox that waits there with its mail, and signs in. Once an
 * address: one that belongs to an account gets the answer of a used token. What is refused for its form costs nothing.
 */
export async function enrol(ctx: Ctx, input: Enrolment): Promise<SignedIn> {
  const { enrolmentToken, password, language } = input;
  await countAttempts(ctx, { rule: "enrol/source", key: ctx.source }, { rule: "enrol/token", key: enrolmentToken });
  const validation = await findByToken(ctx, "ENROL", enrolmentToken);
  const { address } = validation;
  mustBeExternal(ctx, address, "enrolmentToken");
  if (await hasOwner(ctx, address)) invalidCode();
  const userId = parseUserId(input.userId, address);
  const displayName = parseDisplayName(input.displayName);
  const personalPhrase = parsePhrase(input.personalPhrase ?? "");
  mustBeStrong(password, { userId, address, organisation: ctx.config.organisation.name, hasSecondFactor: false });
  if (await ctx.db.manager.existsBy(Account, { userId })) userIdTaken();
  const passwordHash = await hashPassword(password); // Before the transaction: it may have to wait its turn
  const account = await orTaken(() =>
    inTransaction(ctx, async (ctx) => {
      await redeem(ctx, validation);
      await lockAddress(ctx, address);
      if (await hasOwner(ctx, address)) invalidCode();
      const kind = AccountKind[ctx.config.enrolmentKind];
      const account = await createAccount(ctx, { userId, password: null, passwordHash, kind, displayName, address, language, personalPhrase });
      await record(ctx, { action: "account.enrolled", actorId: account.uuid, subjectId: account.uuid });
      const mailboxId = await openMailbox(ctx, { address, kind: MailboxKind.PERSON, displayName });
      await letIn(ctx, { mailboxId, accountId: account.uuid });
      return account;
    }),
  );
  return startSession(ctx, account, SignInMethod.PASSWORD);
}

/** Somebody may have been quicker by a moment: the database's own word on it becomes ours. */
async function orTaken<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const constraint = brokenConstraint(error);
    if (constraint === "accounts_user_id_key") userIdTaken();
    if (constraint === "accounts_address_key") invalidCode();
    throw error;
  }
}

function userIdTaken(): never {
  refuse(ProblemCode.USER_ID_TAKEN, "Somebody else has this user ID. Choose another.", { field: "userId" });
}
