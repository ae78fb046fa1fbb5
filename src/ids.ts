import { v7 } from "uuid";

/** A new UUIDv7 (RFC 9562) of an instant: ids sort by time, so a keyset page needs no other column. */
export function newId(at: Date): string {
  return v7({ msecs: at.getTime() });
}

/** The instant that a UUIDv7 was made for. */
export function timeOf(id: string): Date {
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
}

/** The least UUIDv7 of an instant: everything older sorts before it. */
export function firstIdAt(at: Date): string {
  const hex = Math.max(0, at.getTime()).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7000-8000-000000000000`;
}
