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

/** Those columns, for any statement that reads rows to be hashed; `e` is the table. */
export const eventText = `e.id, trunc(extract(epoch from e.at) * 1000000)::text as at, e.action, e.actor_id as "actorId",
  e.subject_id as "subjectId", e.message_id as "messageId", e.code,
  e.counterpart_id as "counterpartId", e.was_sent::text as "wasSent", trunc(extract(epoch from e.opened_at) * 1000000)::text as "openedAt"`;

/** Bytes of one hash. */
export const HASH_BYTES = 32;

/**
 * SHA-256 of a row: of the UTF-8 bytes of a JSON array of strings and nulls (RFC 8785). Whose row it is and at which
 * sequence is not in it: that is the hash's place in its range, so that a row at a wrong place is known again.
 */
export function hashEvent({ id, at, action, actorId, subjectId, messageId, code, counterpartId, wasSent, openedAt }: EventText): Buffer {
  return hash("sha256", JSON.stringify([id, at, action, actorId, subjectId, messageId, code, counterpartId, wasSent, openedAt]), "buffer");
}
