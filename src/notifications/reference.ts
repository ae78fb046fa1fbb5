import { randomInt } from "node:crypto";

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; // Crockford's base32: no I, L, O or U
const GROUP = 5;

/** A fresh reference of a notice: 50 random bits, short enough to be typed, as `K7F2M-9QX4D`. */
export function newReference(): string {
  const digits = Array.from({ length: 2 * GROUP }, () => DIGITS.charAt(randomInt(DIGITS.length))).join("");
  return `${digits.slice(0, GROUP)}-${digits.slice(GROUP)}`;
}

/** A reference as somebody typed it, read with Crockford's leniency: case, spaces, dashes, O for 0, I and L for 1. Null if it can be none of ours. */
export function readReference(text: string): string | null {
  if (text.length > 100) return null;
  const digits = text
    .toUpperCase()
    .replace(/[\s\u2010-\u2015_.-]/g, "")
    .replace(/O/g, "0")
    .replace(/[IL]/g, "1");
  const isReference = digits.length === 2 * GROUP && [...digits].every((digit) => DIGITS.includes(digit));
  return isReference ? `${digits.slice(0, GROUP)}-${digits.slice(GROUP)}` : null;
}
