import { domainToASCII } from "node:url";
import addresses from "email-addresses";
import type { Config } from "../config.ts";
import { ProblemCode, refuse } from "../problem.ts";

const MAX_ADDRESS_BYTES = 254; // RFC 5321, section 4.5.3.1.3, less the angle brackets
const MAX_LOCAL_BYTES = 64;
const LOCAL_PART = /^[a-z0-9!#$&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$&'*+/=?^_`{|}~-]+)*$/i; // dot-atom, RFC 5322; without `%`, the old relay hack
const UNREADABLE = /\p{Cc}|<\s*@/u; // Control characters, so no folded lines either; source routes (RFC 5321, appendix C)
const NOT_ASCII = /[^\0-\x7f]/;
const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;

/**
 * The one reader of addresses: GraphQL, SMTP and jobs all come here. Takes `local@domain` or `Name <local@domain>`
 * (RFC 5322) and returns the address alone, in lower case and with its domain in A-labels; null for anything else.
 * Names are dropped: who somebody is, is decided by the address only. Refuses quoted local parts, trailing dots,
 * literals, source routes, control characters, and letters that only look like ASCII.
 */
export function parseAddress(text: string): string | null {
  const input = text.trim();
  if (text.length > 1000 || UNREADABLE.test(input)) return null;
  const parsed = addresses.parseOneAddress({ input, rfc6532: true });
  if (parsed?.type !== "mailbox") return null;
  const local = parsed.parts.local.tokens.trim(); // As written: `local` has lost its quotes
  const domain = domainToASCII(parsed.domain);
  const looksAlike = NOT_ASCII.test(parsed.domain) && !domain.includes("xn--");
  const address = `${local}@${domain}`.toLowerCase();
  if (looksAlike || !LOCAL_PART.test(local) || !DOMAIN.test(domain)) return null;
  if (Buffer.byteLength(local) > MAX_LOCAL_BYTES || Buffer.byteLength(address) > MAX_ADDRESS_BYTES) return null;
  return address;
}

/** Reads a list of addresses, each once; refuses the whole list and names every one that cannot receive mail. */
export function parseAddresses(texts: readonly string[], field: string): string[] {
  const parsed = texts.map((text) => ({ text, address: parseAddress(text) }));
  const wrong = parsed.filter(({ address }) => address === null).map(({ text }) => text.slice(0, MAX_ADDRESS_BYTES));
  if (wrong.length > 0)
    refuse(ProblemCode.INVALID_ADDRESS, "Some addresses cannot receive mail as written. Write them like name@domain.example.", { field, addresses: wrong });
  return [...new Set(parsed.flatMap(({ address }) => address ?? []))];
}

/** Whether an address, as `parseAddress` returned it, is an employee's or a team's: exactly one of our domains, no sub-domain. */
export function isEmployeeAddress(address: string, organisation: Config["organisation"]): boolean {
  return organisation.domains.includes(address.slice(address.lastIndexOf("@") + 1));
}
