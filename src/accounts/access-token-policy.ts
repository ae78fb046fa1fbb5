import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Viewer } from "../context.ts";
import { TokenScope } from "../graphql/token-scope.ts";
import { ProblemCode, refuse, withinLimit } from "../problem.ts";

/** How many living tokens an account may have. */
export const MAX_ACCESS_TOKENS = 50;
/** For how many days a token may be made. */
export const MAX_ACCESS_TOKEN_DAYS = 365;

const MAX_NAME_LENGTH = 100;
const TOKEN_FORM = /^smb_([\w-]{43})([0-9A-Za-z]{6})$/;
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/**
 * A fresh access token: `smb_`, 32 random bytes as 43 characters of base64url, and the CRC-32 of those characters as six
 * of base62. So scanners find leaked ones without doubt, and what only looks like one is refused without asking the database.
 */
export function newAccessToken(): string {
  const secret = randomBytes(32).toString("base64url");
  return `smb_${secret}${checksumOf(secret)}`;
}

/** Whether this text can be an access token of ours. */
export function isAccessToken(text: string): boolean {
  const [, secret, checksum] = TOKEN_FORM.exec(text) ?? [];
  return secret !== undefined && checksumOf(secret) === checksum;
}

/** What an access token is asked for. */
export interface WantedToken {
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  readonly expiresInDays: number;
}

/** Refuses a token that the viewer may not have; returns its name and scopes, each once. */
export function mustBeToken({ name, scopes, expiresInDays }: WantedToken, viewer: Viewer): { name: string; scopes: TokenScope[] } {
  const trimmed = name.trim();
  if (trimmed === "" || /\p{Cc}/u.test(trimmed)) refuse(ProblemCode.INVALID_INPUT, "Give the token a name of one line.", { field: "name" });
  withinLimit(trimmed.length, MAX_NAME_LENGTH, "name", "Characters of a name");
  if (scopes.length === 0) refuse(ProblemCode.INVALID_INPUT, "Say what the token may be used for.", { field: "scopes" });
  if (expiresInDays < 1) refuse(ProblemCode.INVALID_INPUT, "A token lasts for one day at least.", { field: "expiresInDays" });
  withinLimit(expiresInDays, MAX_ACCESS_TOKEN_DAYS, "expiresInDays", "Days");
  if (scopes.includes(TokenScope.ADMIN) && !viewer.isAdministrator)
    refuse(ProblemCode.FORBIDDEN, "Only an administrator may have a token with the scope ADMIN.", { field: "scopes" });
  return { name: trimmed, scopes: Object.values(TokenScope).filter((scope) => scopes.includes(scope)) };
}

function checksumOf(secret: string): string {
  let rest = crc32(secret);
  let checksum = "";
  for (let n = 0; n < 6; n += 1) {
    checksum = `${BASE62.charAt(rest % 62)}${checksum}`;
    rest = Math.floor(rest / 62);
  }
  return checksum;
}
