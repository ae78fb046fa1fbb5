import { hash } from "node:crypto";

/** A row of the ledger as it is hashed: what PostgreSQL prints of each column, null where there is nothing. */
export interface EventText {
  readonly id: string;
  /** Microseconds since 1970, as exact as the column. */
  readonly at: string;
  readonly action: string;
  readonly actorId: string | null;
  readonly subjectId: string | null;
  readonly messageId: string | null;
  readonly code: string | null;
  readonly counterpartId: string | null;
  /** `true` or `false`. */
  readonly wasSent: string | null;
  /** Microseconds since 1970. */
  readonly openedAt: string | null;
}

const microseconds = (column: string): string => `trunc(extract(epoch from ${column}) * 1000000)::text`;

/** Those columns in SQL, in the order in which they are hashed; `e` is the table. */
const columns: Readonly<Record<keyof EventText, string>> = {
  id: "e.id::text",
  at: microseconds("e.at"),
  action: "e.action",
  actorId: "e.actor_id::text",
  subjectId: "e.subject_id::text",
  messageId: "e.message_id::text",
  code: "e.code",
  counterpartId: "e.counterpart_id::text",
  wasSent: "e.was_sent::text",
  openedAt: microseconds("e.opened_at"),
};

/** For any statement that reads rows to be hashed here. */
export const eventText = Object.entries(columns)
  .map(([name, column]) => `${column} as "${name}"`)
  .join(", ");

/** Bytes of one hash. */
export const HASH_BYTES = 32;

/**
 * SHA-256 of a row: of the UTF-8 bytes of a JSON array of strings and nulls (RFC 8785). Whose row it is and at which
 * sequence is not in it: that is the hash's place in its range, so that a row at a wrong place is known again.
 */
export function hashEvent({ id, at, action, actorId, subjectId, messageId, code, counterpartId, wasSent, openedAt }: EventText): Buffer {
  return hash("sha256", JSON.stringify([id, at, action, actorId, subjectId, messageId, code, counterpartId, wasSent, openedAt]), "buffer");
}

/** Of these alone JSON might escape a character. */
const free: readonly string[] = [columns.action, columns.code];
const jsonArray = Object.values(columns)
  .map((column) => `coalesce(${free.includes(column) ? `to_json(${column})::text` : `'"' || ${column} || '"'`}, 'null')`)
  .join(", ");

/** The same in SQL, for rows so many that they shall not come here. */
export const eventHashInSql = `sha256(convert_to('[' || concat_ws(',', ${jsonArray}) || ']', 'UTF8'))`;
