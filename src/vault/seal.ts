/**
 * The one door through which anything confidential passes on its way into the database. Values are not encrypted yet:
 * a sealed value is a format byte (0: in the clear) followed by JSON. What a value belongs to is passed already, since
 * encryption will bind it as associated data.
 */
export interface SealedBy {
  /** The message, draft or attachment whose content this is. */
  readonly id: string;
  readonly field: "header" | "body" | "draft" | "file";
}

const IN_THE_CLEAR = 0;

/** Seals a JSON value for the column that keeps it. */
export function seal<T>(_by: SealedBy, value: T): Buffer {
  return Buffer.concat([Buffer.of(IN_THE_CLEAR), Buffer.from(JSON.stringify(value))]);
}

/** Opens what `seal` made of a value of the same type. Throws when the bytes are not of a format we know. */
export function open<T>(_by: SealedBy, sealed: Buffer): T {
  if (sealed[0] !== IN_THE_CLEAR) throw new Error(`Unknown seal format ${sealed[0] ?? "(empty)"}`);
  const value: T = JSON.parse(sealed.toString("utf8", 1));
  return value;
}
