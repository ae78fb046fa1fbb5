import { generateAuthenticationOptions, type PublicKeyCredentialRequestOptionsJSON } from "@simplewebauthn/server";
import { countAttempts } from "../accounts/throttle.ts";
import type { Ctx } from "../context.ts";
import { PROMPT_MS } from "./begin-passkey-registration.ts";
import { beginChallenge } from "./challenges.ts";
import { relyingPartyOf } from "./relying-party.ts";

/** Asks a browser for any passkey it has for us; nobody says who they are, so the answer is the same for everybody. */
export async function beginPasskeySignIn(ctx: Ctx): Promise<{ challengeId: string; options: PublicKeyCredentialRequestOptionsJSON }> {
  await countAttempts(ctx, { rule: "passkey-challenge/source", key: ctx.source });
  const challenge = await beginChallenge(ctx, { purpose: "SIGN_IN", accountId: null });
  const { id: rpID } = relyingPartyOf(ctx);
  const options = await generateAuthenticationOptions({ rpID, challenge: challenge.bytes, timeout: PROMPT_MS, userVerification: "required" });
  return { challengeId: challenge.id, options };
}
