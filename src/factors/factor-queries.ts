import type { Ctx, ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { SecondFactorMethod } from "../graphql/second-factor-method.ts";
import { Passkey } from "./passkey.ts";

/** A person's passkeys, oldest first. */
export async function passkeysOf(ctx: Ctx, accountId: string): Promise<Passkey[]> {
  const passkeys = await ctx.db.manager.find(Passkey, { where: { accountId }, order: { uuid: "ASC" } });
  const directory = await ctx.dataKeys.directory();
  return passkeys.map((passkey) => Object.assign(passkey, { directory }));
}

/** One of the viewer's own passkeys; undefined for any other. */
export async function findOwnPasskey(ctx: ViewerCtx, uuid: string): Promise<Passkey | undefined> {
  return (await passkeysOf(ctx, ctx.viewer.accountId)).find((passkey) => passkey.uuid === uuid);
}

/** Since when an account has had an authenticator app; null if it has none. */
export async function totpSince(ctx: Ctx, accountId: string): Promise<Date | null> {
  const [inUse] = await ctx.db.run(totpOfAccount, [accountId]);
  return inUse?.confirmedAt ?? null;
}

/** What an account can give as a second factor. */
export async function methodsOf(ctx: Ctx, accountId: string): Promise<SecondFactorMethod[]> {
  const has = await ctx.db.one(factorsOfAccount, [accountId]);
  return Object.values(SecondFactorMethod).filter((method) => has[method]);
}

/** Whether the viewer has a passkey or an authenticator app. */
export async function hasSecondFactor(ctx: ViewerCtx): Promise<boolean> {
  const { PASSKEY, TOTP } = await ctx.db.one(factorsOfAccount, [ctx.viewer.accountId]);
  return PASSKEY || TOTP;
}

const totpOfAccount = statement<{ confirmedAt: Date }>(
  "totp-of-account",
  `select confirmed_at as "confirmedAt" from totp_secrets where account_id = $1 and confirmed_at is not null`,
);

const factorsOfAccount = statement<Record<SecondFactorMethod, boolean>>(
  "factors-of-account",
  `select exists (select from passkeys where account_id = $1) as "PASSKEY",
          exists (select from totp_secrets where account_id = $1 and confirmed_at is not null) as "TOTP",
          exists (select from recovery_codes where account_id = $1 and used_at is null) as "RECOVERY_CODE"`,
);
