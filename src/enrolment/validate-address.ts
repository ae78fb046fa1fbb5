import { countAttempts } from "../accounts/throttle.ts";
import { findProved, issueEnrolmentToken, redeem } from "../accounts/validation.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { record } from "../ledger/record.ts";
import { hasOwner } from "./address-owner.ts";

/** A code with the token of the notice it was asked for with, or the token of the mail's link. */
export interface AddressProof {
  readonly noticeToken: string | null;
  readonly code: string | null;
  readonly token: string | null;
}

/** An address that was proved to be read, and what it can now be enrolled or attached with, once. */
export interface ValidatedAddress {
  readonly enrolmentToken: string;
  readonly expiresAt: Date;
  readonly address: string;
  /** An address with an account is never given another: its owner signs in. */
  readonly hasAccount: boolean;
}

/** Exchanges what was mailed for a token to enrol with. Whatever is wrong gets one answer in one time. */
export async function validateAddress(ctx: Ctx, { noticeToken, code, token }: AddressProof): Promise<ValidatedAddress> {
  await countAttempts(ctx, { rule: "code/source", key: ctx.source }, { rule: "code/request", key: token ?? noticeToken ?? "" });
  const validation = await findProved(ctx, "VALIDATE", { asker: noticeToken, code, token });
  const { id, address } = validation;
  return inTransaction(ctx, async (ctx) => {
    await redeem(ctx, validation);
    const issued = await issueEnrolmentToken(ctx, address);
    await record(ctx, { action: "address.validated", subjectId: id });
    return { ...issued, address, hasAccount: await hasOwner(ctx, address) };
  });
}
