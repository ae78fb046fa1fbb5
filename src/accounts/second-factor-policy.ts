import type { Config } from "../config.ts";
import { type AccountKind, isEmployeeKind } from "./account.ts";
import { SignInMethod } from "./session.ts";

/** Whether an account of this kind must have a second factor. */
export function mustHaveSecondFactor({ requireSecondFactor }: Config, kind: AccountKind): boolean {
  return requireSecondFactor === "everyone" || (requireSecondFactor === "staff" && isEmployeeKind(kind));
}

/** Whether a way to sign in is worth two factors by itself: a passkey with its owner's PIN or finger, or the organisation's provider, which decides. */
export function countsAsTwoFactors(method: SignInMethod): boolean {
  return method === SignInMethod.PASSKEY || method === SignInMethod.SINGLE_SIGN_ON;
}
