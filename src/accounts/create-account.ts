import type { Ctx } from "../context.ts";
import { newId } from "../ids.ts";
import { Language } from "../mailer/language.ts";
import { Account, type AccountKind } from "./account.ts";
import { hashPassword } from "./password.ts";

/** Somebody who shall be able to sign in. */
export interface NewAccount {
  readonly userId: string;
  /** Null for whoever will sign in by other means. */
  readonly password: string | null;
  /** What `hashPassword` made of it, where that was done before the transaction. */
  readonly passwordHash?: string;
  readonly kind: AccountKind;
  readonly displayName: string;
  readonly address: string;
  readonly language?: Language;
  readonly personalPhrase?: string | null;
}

/** Makes an account. Its mailbox is a matter of its own. */
export async function createAccount(ctx: Ctx, person: NewAccount): Promise<Account> {
  const { userId, password, kind, displayName, address, language = Language.EN, personalPhrase = null } = person;
  const now = ctx.clock.now();
  const uuid = newId(now);
  const directory = await ctx.dataKeys.directory();
  const account = Object.assign(new Account(), {
    uuid,
    userId: userId.toLowerCase(),
    passwordHash: person.passwordHash ?? (password === null ? null : await hashPassword(password)),
    kind,
    name: directory.seal({ id: uuid, field: "name" }, displayName),
    directory,
    address,
    language,
    phrase: personalPhrase === null ? null : directory.seal({ id: uuid, field: "phrase" }, personalPhrase),
    secondFactorAt: null,
    passwordNeedsFactor: false,
    createdAt: now,
    lastSignedInAt: null,
    previousSignInAt: null,
    disabledAt: null,
  });
  await ctx.db.manager.insert(Account, account);
  return account;
}
