import { type VerifiedRegistrationResponse, verifyRegistrationResponse } from "@simplewebauthn/server";
import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { SecondFactorMethod } from "../graphql/second-factor-method.ts";
import { newId } from "../ids.ts";
import { notFound, ProblemCode, refuse, withinLimit } from "../problem.ts";
import { MAX_PASSKEYS } from "./begin-passkey-registration.ts";
import { takeChallenge } from "./challenges.ts";
import { changeFactors } from "./factor-change.ts";
import { findOwnPasskey } from "./factor-queries.ts";
import type { Passkey } from "./passkey.ts";
import { registrationIn } from "./passkey-answer.ts";
import { passkeyName } from "./passkey-name.ts";
import { firstRecoveryCodes } from "./recovery-codes.ts";
import { relyingPartyOf, signatureAlgorithms } from "./relying-party.ts";

/** What a browser answered to `beginPasskeyRegistration`. */
export interface NewPasskey {
  readonly challengeId: string;
  readonly response: unknown;
  readonly name: string;
}

/** Keeps the passkey that a browser made. Returns recovery codes, too, where there were none. */
export async function addPasskey(ctx: ViewerCtx, { challengeId, response, name: givenName }: NewPasskey): Promise<{ passkey: Passkey; codes: string[] }> {
  const { accountId } = ctx.viewer;
  const name = passkeyName(givenName);
  const expectedChallenge = await takeChallenge(ctx, challengeId, { purpose: "REGISTRATION", accountId });
  const { credential, credentialBackedUp } = await verified(ctx, response, expectedChallenge);
  return changeFactors(ctx, { change: "added", method: SecondFactorMethod.PASSKEY }, async (ctx) => {
    const now = ctx.clock.now();
    const uuid = newId(now);
    const directory = await ctx.dataKeys.directory();
    const { passkeys } = await ctx.db.one(countPasskeys, [accountId]);
    withinLimit(passkeys + 1, MAX_PASSKEYS, "passkeys", "Passkeys");
    const kept = await ctx.db.run(keepPasskey, [
      uuid,
      accountId,
      Buffer.from(credential.id, "base64url"),
      Buffer.from(credential.publicKey),
      credential.counter,
      credential.transports?.join(" ") ?? "",
      credentialBackedUp,
      directory.seal<string>({ id: uuid, field: "passkey" }, name),
      now,
    ]);
    if (kept.length === 0) refuse(ProblemCode.INVALID_INPUT, "This passkey is there already.", { field: "response" });
    return { uuid, passkey: (await findOwnPasskey(ctx, uuid)) ?? notFound(), codes: await firstRecoveryCodes(ctx) };
  });
}

async function verified(ctx: ViewerCtx, answer: unknown, expectedChallenge: string) {
  const response = registrationIn(answer);
  const { id: expectedRPID, origin: expectedOrigin } = relyingPartyOf(ctx);
  let result: VerifiedRegistrationResponse | null = null;
  try {
    result =
      response && (await verifyRegistrationResponse({ response, expectedChallenge, expectedOrigin, expectedRPID, supportedAlgorithmIDs: signatureAlgorithms }));
  } catch {
    // The library says by plain errors what does not fit
  }
  return result?.registrationInfo ?? refuse(ProblemCode.INVALID_INPUT, "The browser's answer does not fit the challenge. Begin again.", { field: "response" });
}

const countPasskeys = statement<{ passkeys: number }>("passkeys-count", "select count(*)::int as passkeys from passkeys where account_id = $1");

const keepPasskey = statement<{ id: string }>(
  "passkey-keep",
  `insert into passkeys (id, account_id, credential_id, public_key, counter, transports, backed_up, name, created_at)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (credential_id) do nothing returning id`,
);
