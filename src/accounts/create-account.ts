import type { Ctx } from "../context.ts";
import { newId } from "../ids.ts";
import { Account, type AccountKind } from "./account.ts";
import { hashPassword } from "./password.ts";

/** Somebody who shall be able to sign in. */
export interface NewAccount {
  readonly userId: string;
  readonly password: string;
  readonly kind: AccountKind;
  readonly displayName: string;
  readonly address: string;
}

/** Makes an account. Its mailbox is a matter of its own. */
export async function createAccount(ctx: Ctx, { userId, password, kind, displayName, address }: NewAccount): Promise<Account> {
  const now = ctx.clock.now();
  const account = Object.assign(new Account(), {
    uuid: newId(now),
    userId: userId.toLowerCase(),
    passwordHash: await hashPassword(password),
    kind,
    displayName,
    address,
    createdAt: now,
    lastSignedInAt: null,
    disabledAt: null,
  });
  await ctx.db.manager.insert(Account, account);
  return account;
}
