import { ProblemCode, refuse } from "../problem.ts";

/** Characters of a display name. */
export const MAX_NAME_LENGTH = 100;
/** Characters of a personal phrase. */
export const MAX_PHRASE_LENGTH = 100;

/** Control characters, and those that turn or hide what stands around them. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/u;

/** A display name as it is kept: one line, at least a character. */
export function parseDisplayName(written: string): string {
  const name = oneLine(written, MAX_NAME_LENGTH, "displayName");
  return name || refuse(ProblemCode.INVALID_INPUT, "Say the name that others shall see.", { field: "displayName" });
}

/** A personal phrase as it is kept; null where there is to be none. */
export function parsePhrase(written: string): string | null {
  return oneLine(written, MAX_PHRASE_LENGTH, "personalPhrase") || null;
}

function oneLine(written: string, limit: number, field: string): string {
  const text = written.normalize("NFC").trim();
  if (text.length > limit) refuse(ProblemCode.LIMIT_EXCEEDED, `Use at most ${limit} characters.`, { field, limit });
  if (HIDDEN.test(text)) refuse(ProblemCode.INVALID_INPUT, "Use one line of letters, digits and signs that can be seen.", { field });
  return text;
}
