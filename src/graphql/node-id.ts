import { ProblemCode, refuse } from "../problem.ts";

/** What a node id may name, and how many UUIDs it carries. Ids of what a mailbox owns begin with the mailbox. */
const kinds = {
  Account: { tag: 1, parts: 1 },
  Session: { tag: 2, parts: 1 },
  Mailbox: { tag: 3, parts: 1 },
  Message: { tag: 4, parts: 2 },
  Thread: { tag: 5, parts: 2 },
  Draft: { tag: 6, parts: 2 },
  Attachment: { tag: 7, parts: 1 },
  Export: { tag: 8, parts: 1 },
  Hold: { tag: 9, parts: 1 },
  Device: { tag: 10, parts: 1 },
  Passkey: { tag: 15, parts: 1 },
  AccessToken: { tag: 17, parts: 1 },
} as const;

/** A type that implements `Node`. */
export type NodeKind = keyof typeof kinds;

/** A node id taken apart. */
export interface DecodedId {
  readonly kind: NodeKind;
  readonly uuids: readonly string[];
}

/** The opaque id of a node: a byte for its kind and its UUIDs, in base64url. */
export function encodeId(kind: NodeKind, ...uuids: string[]): string {
  return Buffer.from(`${kinds[kind].tag.toString(16).padStart(2, "0")}${uuids.join("").replaceAll("-", "")}`, "hex").toString("base64url");
}

/** Takes any node id apart; null if we never made it. */
export function decodeAnyId(id: string): DecodedId | null {
  if (id.length > 64 || !/^[\w-]+$/.test(id)) return null;
  const bytes = Buffer.from(id, "base64url");
  for (const kind of Object.keys(kinds).filter(isKind)) {
    const { tag, parts } = kinds[kind];
    if (bytes[0] !== tag || bytes.length !== 1 + 16 * parts || bytes.toString("base64url") !== id) continue;
    return { kind, uuids: Array.from({ length: parts }, (_, n) => uuidAt(bytes, 1 + 16 * n)) };
  }
  return null;
}

/** The one UUID in an id of this kind; refuses every other id like one that is not yours. */
export function decodeId(kind: NodeKind, id: string, field = "id"): string {
  const decoded = decodeAnyId(id);
  const uuid = decoded?.kind === kind ? decoded.uuids.at(-1) : undefined;
  return uuid ?? refuse(ProblemCode.NOT_FOUND, "There is nothing with this id for you.", { field });
}

/** The mailbox and the UUID in an id of something that a mailbox owns. */
export function decodeOwnedId(kind: "Message" | "Thread" | "Draft", id: string, field = "id"): OwnedId {
  const decoded = decodeAnyId(id);
  const [mailboxId, uuid] = decoded?.kind === kind ? decoded.uuids : [];
  if (mailboxId === undefined || uuid === undefined) refuse(ProblemCode.NOT_FOUND, "There is nothing with this id for you.", { field });
  return { mailboxId, uuid };
}

/** The key of something that a mailbox owns. */
export interface OwnedId {
  readonly mailboxId: string;
  readonly uuid: string;
}

function isKind(name: string): name is NodeKind {
  return name in kinds;
}

function uuidAt(bytes: Buffer, start: number): string {
  const hex = bytes.toString("hex", start, start + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
