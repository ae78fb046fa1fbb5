import { accountByKey } from "../accounts/account.ts";
import { onDevice } from "../accounts/known-device.ts";
import { SignInMethod } from "../accounts/session.ts";
import { type SignedIn, startSession } from "../accounts/start-session.ts";
import { countAttempts, uncountAttempts } from "../accounts/throttle.ts";
import type { Ctx } from "../context.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { type PasskeyAnswer, usePasskey } from "./use-passkey.ts";

/** Starts a session with a passkey alone: what its owner has, unlocked by what they know or are. */
export async function signInWithPasskey(
  outerCtx: Ctx,
  { deviceToken, ...answer }: PasskeyAnswer & { readonly deviceToken?: string | null },
): Promise<SignedIn> {
  const ctx = onDevice(outerCtx, deviceToken);
  const counted = await countAttempts(ctx, { rule: "sign-in/source", key: ctx.source });
  const accountId = await usePasskey(ctx, answer);
  const account = accountId === null ? undefined : await accountByKey.load(ctx, accountId);
  if (account === undefined || account.disabledAt !== null)
    refuse(ProblemCode.INVALID_CREDENTIALS, "This passkey is not known here, or its answer does not fit. Try again, or sign in by other means.");
  await uncountAttempts(ctx, ...counted);
  return startSession(ctx, account, SignInMethod.PASSKEY);
}
