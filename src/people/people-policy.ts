import { type AccountKind, isEmployeeKind } from "../accounts/account.ts";
import type { Config } from "../config.ts";
import { isEmployeeAddress } from "../mailboxes/address.ts";

/** The longest display name, in characters. */
export const MAX_NAME_LENGTH = 100;

/** Control characters, and those that make text run backwards or cannot be seen. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/u;
/** What a spreadsheet takes for the beginning of a formula. */
const FORMULA = /^[=+\-@]/;

/** A display name as it is kept, spaces in one; null for one that is empty, too long, holds what cannot be seen, or begins like a spreadsheet's formula. */
export function parseDisplayName(text: string): string | null {
  const name = text.trim().replace(/ +/g, " ").normalize("NFC");
  return name === "" || [...name].length > MAX_NAME_LENGTH || UNSEEN.test(name) || FORMULA.test(name) ? null : name;
}

/** Whether an account with this address may be of this kind: at one of our domains there are only employees, and employees only there. */
export function kindFitsAddress(kind: AccountKind, address: string, organisation: Config["organisation"]): boolean {
  return isEmployeeKind(kind) === isEmployeeAddress(address, organisation);
}
