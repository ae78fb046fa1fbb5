import { generateRegistrationOptions, type PublicKeyCredentialCreationOptionsJSON } from "@simplewebauthn/server";
import { accountByKey } from "../accounts/account.ts";
import { MINUTE } from "../clock.ts";
import { mustBeConfirmed, type ViewerCtx } from "../context.ts";
import { notFound, withinLimit } from "../problem.ts";
import { beginChallenge } from "./challenges.ts";
import { passkeysOf } from "./factor-queries.ts";
import { relyingPartyOf, signatureAlgorithms } from "./relying-party.ts";
import { userHandleOf } from "./user-handle.ts";

/** How many passkeys somebody may have. */
export const MAX_PASSKEYS = 20;

/** How long a browser lets its user take. */
export const PROMPT_MS = 5 * MINUTE;

/** Asks a browser for a new passkey that its owner unlocks with a PIN or a finger, and that is found without a user ID. */
export async function beginPasskeyRegistration(ctx: ViewerCtx): Promise<{ challengeId: string; options: PublicKeyCredentialCreationOptionsJSON }> {
  await mustBeConfirmed(ctx);
  const { accountId } = ctx.viewer;
  const account = (await accountByKey.load(ctx, accountId)) ?? notFound();
  const passkeys = await passkeysOf(ctx, accountId);
  withinLimit(passkeys.length + 1, MAX_PASSKEYS, "passkeys", "Passkeys");
  const challenge = await beginChallenge(ctx, { purpose: "REGISTRATION", accountId });
  const { id, name } = relyingPartyOf(ctx);
  const options = await generateRegistrationOptions({
    rpID: id,
    rpName: name,
    userID: userHandleOf(accountId),
    userName: account.userId,
    userDisplayName: account.displayName,
    challenge: challenge.bytes,
    timeout: PROMPT_MS,
    supportedAlgorithmIDs: signatureAlgorithms,
    attestationType: "none",
    excludeCredentials: passkeys.map(({ credentialId, transports }) => ({
      id: credentialId.toString("base64url"),
      transports: transports.split(" ").filter(Boolean),
    })),
    authenticatorSelection: { residentKey: "required", userVerification: "required" },
  });
  return { challengeId: challenge.id, options };
}
