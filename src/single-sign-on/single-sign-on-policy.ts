import { AccountKind } from "../accounts/account.ts";
import type { Config, OidcSettings, SamlSettings } from "../config.ts";
import { isEmployeeAddress, parseAddress } from "../mailboxes/address.ts";
import type { Protocol } from "./identity.ts";

const MAX_NAME_LENGTH = 200;

/** What a provider says of somebody, once its word has been verified. */
export interface Claims {
  readonly protocol: Protocol;
  readonly issuer: string;
  readonly subject: string;
  /** As the provider writes it; null where it says none. */
  readonly address: string | null;
  readonly isAddressVerified: boolean;
  readonly displayName: string | null;
  /** A language tag; null where it says none. */
  readonly locale: string | null;
  readonly groups: readonly string[];
}

/** Why somebody whom the provider vouches for may not enter. */
export type EntryRefusal = "ADDRESS_UNVERIFIED" | "FOREIGN_DOMAIN" | "NOT_IN_GROUP" | "ADDRESS_TAKEN" | "ACCOUNT_DISABLED";

/** As whom somebody may enter. */
export interface Admission {
  readonly address: string;
  /** What the groups make of them; null where groups say nothing of roles. */
  readonly role: AccountKind.EMPLOYEE | AccountKind.ADMINISTRATOR | null;
}

/** Whether claims let somebody in: a verified address of exactly one of our domains, and a group that may enter. */
export function admissionOf(
  claims: Claims,
  { adminGroup, employeeGroup }: Pick<OidcSettings | SamlSettings, "adminGroup" | "employeeGroup">,
  organisation: Config["organisation"],
): Admission | EntryRefusal {
  const address = bareAddress(claims.address);
  if (address === null || !isEmployeeAddress(address, organisation)) return "FOREIGN_DOMAIN";
  if (!claims.isAddressVerified) return "ADDRESS_UNVERIFIED";
  const isAdministrator = adminGroup !== null && claims.groups.includes(adminGroup);
  if (employeeGroup !== null && !isAdministrator && !claims.groups.includes(employeeGroup)) return "NOT_IN_GROUP";
  if (adminGroup === null) return { address, role: null };
  return { address, role: isAdministrator ? AccountKind.ADMINISTRATOR : AccountKind.EMPLOYEE };
}

/** The name to show: the provider's on one line, without what hides or turns letters; the address's first part where it says none. */
export function displayNameOf({ displayName }: Claims, address: string): string {
  const cleaned = (displayName ?? "")
    .replace(/\s+/g, " ")
    .replace(/[\p{Cc}\p{Cf}]/gu, "")
    .trim();
  return [...(cleaned || address.slice(0, address.lastIndexOf("@")))].slice(0, MAX_NAME_LENGTH).join("");
}

/** Where to go after the sign-in: a path of our own, never another site; the front page for everything else. */
export function ownPath(returnTo: unknown, publicUrl: string): string {
  if (typeof returnTo !== "string" || !/^\/(?![/\\])[\x21-\x7e]*$/.test(returnTo) || returnTo.length > 500) return "/";
  const { origin } = new URL(publicUrl);
  const target = URL.canParse(returnTo, origin) ? new URL(returnTo, origin) : null;
  // What dots were taken out of may begin with two slashes, which name another site.
  return target?.origin === origin && !/^\/(\/|(sign-in|graphql)\b)/.test(target.pathname) ? `${target.pathname}${target.search}${target.hash}` : "/";
}

/** Claims hold an address alone: a name beside it could hide another. */
function bareAddress(text: string | null): string | null {
  return text === null || /[\s<>]/.test(text) ? null : parseAddress(text);
}
