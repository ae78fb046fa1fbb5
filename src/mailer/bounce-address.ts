import { timingSafeEqual } from "node:crypto";
import type { Ctx } from "../context.ts";

const HASH_HEX = 16;
const ADDRESS = /^bounce\+([0-9a-f]{32})-([0-9a-f]{16})@(.+)$/i;

/**
 * Where a mail comes back to when it cannot be delivered: an address of its own (VERP), which nobody can make up. Without a
 * domain for that it is the address it comes from.
 */
export function bounceAddressOf({ config: { mail }, keyedHash }: Pick<Ctx, "config" | "keyedHash">, mailId: string): string {
  if (mail.bounceDomain === null) return mail.from;
  const id = mailId.replaceAll("-", "");
  return `bounce+${id}-${keyOf(keyedHash, id)}@${mail.bounceDomain}`;
}

/** Which mail an address was made for; null if it was not made by us. */
export function mailIdOf({ config: { mail }, keyedHash }: Pick<Ctx, "config" | "keyedHash">, address: string): string | null {
  const [, id, key, domain] = ADDRESS.exec(address.toLowerCase()) ?? [];
  if (id === undefined || key === undefined || domain !== mail.bounceDomain) return null;
  if (!timingSafeEqual(Buffer.from(key), Buffer.from(keyOf(keyedHash, id)))) return null;
  return id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function keyOf(keyedHash: Ctx["keyedHash"], id: string): string {
  return keyedHash.hash("bounce-address", id).toString("hex").slice(0, HASH_HEX);
}
