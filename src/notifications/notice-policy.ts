import { dayOf, HOUR } from "../clock.ts";
import { MailboxKind } from "../mailboxes/mailbox.ts";
import type { DueNoticeKind } from "../messages/recipient.ts";
import { NoticeDelivery, type NotificationPreferences } from "./notification-preferences.ts";

/** The hour of the day, in UTC, at which daily digests are due. */
export const DIGEST_HOUR = 6;

/** What is due to a recipient, as far as the decision depends on it. */
export interface Due {
  /** Null for the first notice. */
  readonly noticeKind: DueNoticeKind | null;
  readonly noticeOccasion: string | null;
  /** Whether it still lies there, unread. */
  readonly isUnread: boolean;
}

/** To whom it is due. */
export interface Addressee extends NotificationPreferences {
  readonly kind: MailboxKind;
  /** Whether a mail server said that nobody is at this address. */
  readonly isDead: boolean;
}

/** What becomes of it. */
export type Decision =
  | { readonly kind: "drop" }
  | { readonly kind: "fail" }
  | { readonly kind: "tell"; readonly as: "notice" | "reminder" | "expiry-notice"; readonly occasion: string }
  /** Told of with all else that was put off to the same occasion. */
  | { readonly kind: "tell-together"; readonly occasion: string }
  | { readonly kind: "put-off"; readonly until: Date; readonly occasion: string };

/**
 * Decides what becomes of a notice that is due. `room` is how many more mails this mailbox may get in this hour; what is
 * beyond that waits for the next hour and is told of together, as is what waits for a daily digest.
 */
export function decideNotice(due: Due, to: Addressee, now: Date, room: number): Decision {
  if (to.kind !== MailboxKind.PERSON || !due.isUnread) return { kind: "drop" };
  if (to.isDead) return { kind: "fail" };
  if (due.noticeKind === "reminder" && !to.reminders) return { kind: "drop" };
  if (due.noticeKind === "expiry-notice" && !to.expiryWarnings) return { kind: "drop" };
  if (due.noticeKind !== "digest" && to.delivery === NoticeDelivery.DAILY_DIGEST) return putOffTo(nextDigest(now), dayOf);
  if (room <= 0) return putOffTo(nextHour(now), hourOf);
  if (due.noticeKind === "digest") return { kind: "tell-together", occasion: due.noticeOccasion ?? "" };
  return { kind: "tell", as: due.noticeKind ?? "notice", occasion: due.noticeOccasion ?? "" };
}

/** The hour of an instant in UTC, as `2026-03-02T09`. */
export function hourOf(instant: Date): string {
  return instant.toISOString().slice(0, 13);
}

/** When the hour of an instant began. */
export function startOfHour(instant: Date): Date {
  return new Date(Math.floor(instant.getTime() / HOUR) * HOUR);
}

function putOffTo(until: Date, nameOf: (until: Date) => string): Decision {
  return { kind: "put-off", until, occasion: nameOf(until) };
}

function nextHour(now: Date): Date {
  return new Date(startOfHour(now).getTime() + HOUR);
}

function nextDigest(now: Date): Date {
  const today = new Date(`${dayOf(now)}T${String(DIGEST_HOUR).padStart(2, "0")}:00:00Z`);
  return today > now ? today : new Date(today.getTime() + 24 * HOUR);
}
