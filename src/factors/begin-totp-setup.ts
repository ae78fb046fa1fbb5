import { generateSecret, generateURI } from "otplib";
import { accountByKey } from "../accounts/account.ts";
import { mustBeConfirmed, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { notFound } from "../problem.ts";

/** What an authenticator app is told. */
export interface TotpSetup {
  /** 160 bits in base32. */
  readonly secret: string;
  /** The same as an `otpauth:` address, to be shown as a QR code. */
  readonly uri: string;
}

/** Makes a secret for an authenticator app; it counts once `confirmTotp` was given a code of it. Another beginning replaces it. */
export async function beginTotpSetup(ctx: ViewerCtx): Promise<TotpSetup> {
  await mustBeConfirmed(ctx);
  const { accountId } = ctx.viewer;
  const { userId } = (await accountByKey.load(ctx, accountId)) ?? notFound();
  const now = ctx.clock.now();
  const id = newId(now);
  const secret = generateSecret();
  const directory = await ctx.dataKeys.directory();
  await ctx.db.run(keepSecret, [id, accountId, directory.seal<string>({ id, field: "totp" }, secret), now]);
  return { secret, uri: generateURI({ issuer: ctx.config.organisation.name, label: userId, secret }) };
}

const keepSecret = statement(
  "totp-begin",
  `insert into totp_secrets (id, account_id, secret, created_at) values ($1, $2, $3, $4)
   on conflict (account_id) where confirmed_at is null do update set id = excluded.id, secret = excluded.secret, created_at = excluded.created_at`,
);
