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
  const uuid = newId(now);
  const directory = await ctx.dataKeys.directory();
  const account = Object.assign(new Account(), {
    uuid,
    userId: userId.toLowerCase(),
    passwordHash: await hashPassword(password),
    kind,
    name: directory.seal({ id: uuid, field: "name" }, displayName),
    directory,
    address,
    createdAt: now,
    lastSignedInAt: null,
    disabledAt: null,
  });
  await ctx.db.manager.insert(Account, account);
  return account;
}
