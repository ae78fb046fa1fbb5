import { domainToASCII } from "node:url";
import addresses from "email-addresses";
import type { Config } from "../config.ts";
import { ProblemCode, refuse, withinLimit } from "../problem.ts";

const MAX_ADDRESS_BYTES = 254; // RFC 5321, section 4.5.3.1.3, less the angle brackets
const MAX_LOCAL_BYTES = 64;
const MAX_WRITTEN_LENGTH = 1000;
const LOCAL_PART = /^[a-z0-9!#$&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$&'*+/=?^_`{|}~-]+)*$/i; // dot-atom, RFC 5322; without `%`, the old relay hack
const CONTROL = /\p{Cc}/u;
/** An address alone, or behind a name: no comments, quoted local parts or source routes. The parser gets the address only, for names cost it time. */
const WRITTEN = /^(?:(?:"(?:[^"\\]|\\.)*"\s*|[^"<>()@]*)<([^\s"<>()@]+@[^\s"<>()@]+)>|([^\s"<>()@]+@[^\s"<>()@]+))$/;
const ASCII = /^[\0-\x7f]*$/;
const WRITTEN_DOMAIN = /^[a-z0-9.\u0080-\u{10ffff}-]+$/iu;
const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/;

/**
 * The one reader of addresses: GraphQL, SMTP and jobs all come here. Takes `local@domain` or `Name <local@domain>`
 * (RFC 5322) and returns the address alone, in lower case and with its domain in A-labels; null for anything else.
 * Names are dropped: who somebody is, is decided by the address only. Refuses comments, quoted local parts, trailing
 * dots, literals, source routes, control characters, and letters that only look like ASCII.
 */
export function parseAddress(text: string): string | null {
  if (text.length > MAX_WRITTEN_LENGTH || CONTROL.test(text.trim())) return null;
  const [, bracketed, bare] = WRITTEN.exec(text.trim()) ?? [];
  const parsed = addresses.parseOneAddress({ input: bracketed ?? bare ?? "", rfc6532: true });
  if (parsed?.type !== "mailbox") return null;
  const { local } = parsed;
  const domain = toALabels(parsed.domain);
  const address = `${local}@${domain}`.toLowerCase();
  if (!LOCAL_PART.test(local) || !DOMAIN.test(domain)) return null;
  if (Buffer.byteLength(local) > MAX_LOCAL_BYTES || Buffer.byteLength(address) > MAX_ADDRESS_BYTES) return null;
  return address;
}

/** A domain in A-labels, label by label; empty where a letter only looks like ASCII or something besides letters would get lost. */
function toALabels(written: string): string {
  const domain = domainToASCII(written);
  const [labels, found] = [written.split("."), domain.split(".")];
  const isFaithful =
    labels.length === found.length && labels.every((label, n) => (ASCII.test(label) ? found[n] === label.toLowerCase() : found[n]?.startsWith("xn--")));
  return isFaithful && WRITTEN_DOMAIN.test(written) ? domain : "";
}

/** Reads a list of so many addresses at most, each once; refuses the whole list and names every one that cannot receive mail. */
export function parseAddresses(texts: readonly string[], most: number, field: string): string[] {
  withinLimit(texts.length, most, field, "Addresses");
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
