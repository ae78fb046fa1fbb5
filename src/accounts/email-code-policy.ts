import { type Account, isEmployeeKind } from "./account.ts";

/**
 * Whether an account may sign in by an e-mailed code, where the organisation allows it at all: external people only, and
 * nobody who has a second factor, which the mail would walk round. (NIST SP 800-63B accepts no e-mail as an authenticator.)
 */
export function mayUseEmailCode(account: Pick<Account, "kind" | "disabledAt" | "secondFactorAt">): boolean {
  return account.disabledAt === null && !isEmployeeKind(account.kind) && account.secondFactorAt === null;
}
