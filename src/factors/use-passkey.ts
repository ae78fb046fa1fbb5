import { type VerifiedAuthenticationResponse, verifyAuthenticationResponse, type WebAuthnCredential } from "@simplewebauthn/server";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { SecondFactorMethod } from "../graphql/second-factor-method.ts";
import { record } from "../ledger/record.ts";
import { takeChallenge } from "./challenges.ts";
import { assertionIn } from "./passkey-answer.ts";
import { relyingPartyOf } from "./relying-party.ts";
import { userHandleOf } from "./user-handle.ts";

/** What a browser answered to `beginPasskeySignIn`. */
export interface PasskeyAnswer {
  readonly challengeId: string;
  /** What `PublicKeyCredential.toJSON()` gave. */
  readonly response: unknown;
}

/** The account whose passkey answered, the given one's if it is given; null if the answer does not fit. Each answer is good once. */
export async function usePasskey(ctx: Ctx, { challengeId, response }: PasskeyAnswer, ofAccount: string | null = null): Promise<string | null> {
  const expectedChallenge = await takeChallenge(ctx, challengeId, { purpose: "SIGN_IN", accountId: null });
  const assertion = assertionIn(response);
  if (assertion === null) return null;
  const [passkey] = await ctx.db.run(passkeyByCredential, [Buffer.from(assertion.id, "base64url"), ofAccount]);
  if (passkey === undefined) return null;
  const { uuid, accountId, publicKey } = passkey;
  const { userHandle } = assertion.response;
  if (userHandle !== undefined && userHandle !== Buffer.from(userHandleOf(accountId)).toString("base64url")) return null;
  // Without the counter, which is compared in the statement that keeps it, so that two at once cannot both pass
  const credential = { id: assertion.id, publicKey: new Uint8Array(publicKey), counter: 0 };
  const info = await verified(ctx, assertion, expectedChallenge, credential);
  if (info === null) return null;
  return inTransaction(ctx, async (ctx) => {
    const used = await ctx.db.run(keepUse, [uuid, info.newCounter, info.credentialBackedUp, ctx.clock.now()]);
    const happened = { actorId: accountId, subjectId: uuid };
    if (used.length === 0) {
      await record(ctx, { ...happened, action: "factor.suspected" });
      return null;
    }
    await record(ctx, { ...happened, action: "factor.used", code: SecondFactorMethod.PASSKEY });
    return accountId;
  });
}

type Assertion = NonNullable<ReturnType<typeof assertionIn>>;

async function verified(
  ctx: Ctx,
  response: Assertion,
  expectedChallenge: string,
  credential: WebAuthnCredential,
): Promise<VerifiedAuthenticationResponse["authenticationInfo"] | null> {
  const { id, origin } = relyingPartyOf(ctx);
  try {
    const result = await verifyAuthenticationResponse({ response, expectedChallenge, expectedOrigin: origin, expectedRPID: id, credential });
    return result.verified ? result.authenticationInfo : null;
  } catch {
    return null; // The library says by plain errors what does not fit
  }
}

const passkeyByCredential = statement<{ uuid: string; accountId: string; publicKey: Buffer }>(
  "passkey-by-credential",
  `select id as uuid, account_id as "accountId", public_key as "publicKey" from passkeys
   where credential_id = $1 and ($2::uuid is null or account_id = $2)`,
);

const keepUse = statement<{ id: string }>(
  "passkey-use",
  `update passkeys set counter = $2, backed_up = $3, last_used_at = $4
   where id = $1 and (counter < $2 or (counter = 0 and $2 = 0)) returning id`,
);
