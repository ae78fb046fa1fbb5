import { randomBytes } from "node:crypto";
import { after, DAY } from "../clock.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import type { Account } from "./account.ts";
import { deviceKindOf, deviceNameOf } from "./device.ts";

/** As long as browsers keep a cookie at most; a device unused for so long is forgotten on our side, too. */
export const DEVICE_DAYS = 400;

const TOKEN_FORM = /^[\w-]{43}$/;

/** The device that a sign-in comes from. */
export interface SignedInDevice {
  readonly id: string;
  /** True where the account had not signed in on it before. */
  readonly isNew: boolean;
  /** What the device is to keep; null where it keeps one already. */
  readonly token: string | null;
}

/** Whether the device that asks is one on which the account of this user ID has signed in before. Asks the same for every user ID. */
export async function isKnownDevice(ctx: Ctx, userId: string): Promise<boolean> {
  const tokenHash = tokenHashOf(ctx);
  if (tokenHash === null || userId.includes("\0")) return false; // Which PostgreSQL cannot even be asked for
  return (await ctx.db.run(knownDevice, [tokenHash, userId])).length > 0;
}

/**
 * Finds the device that the caller shows a token of, or makes one, in the caller's transaction. A browser that somebody else
 * signed in on keeps its one token. A token whose device was revoked is good for nothing more: its place takes a new one.
 */
export async function useDevice(ctx: Ctx, account: Account): Promise<SignedInDevice> {
  const { db, clock, keyedHash } = ctx;
  const now = clock.now();
  const shown = tokenHashOf(ctx);
  const places = shown === null ? [] : await db.run(devicesOfToken, [shown]);
  const own = places.find(({ accountId }) => accountId === account.uuid);
  if (own && own.revokedAt === null) {
    await db.run(touchDevice, [own.id, now]);
    return { id: own.id, isNew: false, token: null };
  }
  const isShared = own === undefined && places.some(({ revokedAt }) => revokedAt === null);
  const token = isShared ? null : randomBytes(32).toString("base64url");
  const tokenHash = token === null ? shown : keyedHash.hash("device-token", token);
  const { id } = await db.one(addDevice, [newId(now), account.uuid, tokenHash, deviceNameOf(deviceKindOf(ctx.client)), now]);
  return { id, isNew: true, token };
}

/** Lets the browser keep the token of its device for as long as it can. */
export function keepDeviceCookie(ctx: Ctx, { token }: SignedInDevice): void {
  ctx.setDeviceCookie(token ?? ctx.deviceToken, after(ctx.clock.now(), DEVICE_DAYS * DAY));
}

/** A context whose device is the one of this token, where an app names it in the input. */
export function onDevice(ctx: Ctx, deviceToken: string | null | undefined): Ctx {
  return deviceToken == null ? ctx : { ...ctx, deviceToken };
}

function tokenHashOf({ deviceToken, keyedHash }: Ctx): Buffer | null {
  return deviceToken !== null && TOKEN_FORM.test(deviceToken) ? keyedHash.hash("device-token", deviceToken) : null;
}

const knownDevice = statement<{ id: string }>(
  "device-known",
  "select d.id from devices d join accounts a on a.id = d.account_id where d.token_hash = $1 and a.user_id = $2 and d.revoked_at is null",
);

const devicesOfToken = statement<{ id: string; accountId: string; revokedAt: Date | null }>(
  "devices-of-token",
  `select id, account_id as "accountId", revoked_at as "revokedAt" from devices where token_hash = $1`,
);

const touchDevice = statement("device-touch", "update devices set last_used_at = greatest(last_used_at, $2) where id = $1");

/** Two sign-ins at once from one browser meet in one row. */
const addDevice = statement<{ id: string }>(
  "device-add",
  `insert into devices (id, account_id, token_hash, name, created_at, last_used_at) values ($1, $2, $3, $4, $5, $5)
   on conflict (token_hash, account_id) do update set last_used_at = excluded.last_used_at returning id`,
);
