import { registerEnumType } from "type-graphql";
import { AccountKind } from "../accounts/account.ts";
import type { Config } from "../config.ts";
import { isEmployeeAddress, parseAddress } from "../mailboxes/address.ts";
import { Language } from "../mailer/language.ts";
import type { NewEmployee } from "./add-employees.ts";
import { parseDisplayName } from "./people-policy.ts";
import type { WrittenRow } from "./read-employee-csv.ts";

/** Why a row cannot be imported. */
export enum ImportFault {
  UNREADABLE = "UNREADABLE",
  WRONG_COLUMNS = "WRONG_COLUMNS",
  INVALID_ADDRESS = "INVALID_ADDRESS",
  FOREIGN_DOMAIN = "FOREIGN_DOMAIN",
  INVALID_NAME = "INVALID_NAME",
  INVALID_KIND = "INVALID_KIND",
  INVALID_LANGUAGE = "INVALID_LANGUAGE",
  REPEATED = "REPEATED",
  TEAM_ADDRESS = "TEAM_ADDRESS",
}

registerEnumType(ImportFault, {
  name: "ImportFault",
  description: "Why a row cannot be imported.",
  valuesConfig: {
    UNREADABLE: { description: "Its quotation marks do not match." },
    WRONG_COLUMNS: { description: "It has more or fewer columns than the first line." },
    INVALID_ADDRESS: { description: "The address cannot receive mail as written." },
    FOREIGN_DOMAIN: { description: "The address is not at one of the organisation's own domains." },
    INVALID_NAME: { description: "The name is empty, longer than 100 characters, holds what cannot be seen, or begins with = + - or @." },
    INVALID_KIND: { description: "The kind is neither EMPLOYEE nor ADMINISTRATOR, nor empty for EMPLOYEE." },
    INVALID_LANGUAGE: { description: "The language is neither EN nor ES, nor empty for EN." },
    REPEATED: { description: "The address stands in an earlier row." },
    TEAM_ADDRESS: { description: "The address is a team's." },
  },
});

/** What a row says, or why it cannot be imported. */
export function employeeOf(row: WrittenRow, organisation: Config["organisation"]): NewEmployee | ImportFault {
  if (!row.hasAllColumns) return ImportFault.WRONG_COLUMNS;
  const address = parseAddress(row.address);
  if (address === null) return ImportFault.INVALID_ADDRESS;
  if (!isEmployeeAddress(address, organisation)) return ImportFault.FOREIGN_DOMAIN;
  const displayName = parseDisplayName(row.displayName);
  if (displayName === null) return ImportFault.INVALID_NAME;
  const kind = [AccountKind.EMPLOYEE, AccountKind.ADMINISTRATOR].find((known) => String(known) === (row.kind.toUpperCase() || "EMPLOYEE"));
  if (kind === undefined) return ImportFault.INVALID_KIND;
  const language = Object.values(Language).find((known) => String(known) === (row.language.toUpperCase() || "EN"));
  return language === undefined ? ImportFault.INVALID_LANGUAGE : { address, displayName, kind, language };
}
