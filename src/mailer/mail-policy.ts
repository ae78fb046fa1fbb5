import { after, DAY, HOUR, MINUTE } from "../clock.ts";

const SHORTEST_PAUSE_MS = MINUTE;
const LONGEST_PAUSE_MS = 4 * HOUR;

/** A mail is tried for so long, but so often at least: whoever was away for days has had no fair try. */
const TRYING_MS = 3 * DAY;
const FEWEST_ATTEMPTS = 6;

/** How long to wait after so many attempts: a minute, and each time twice as long, up to four hours. */
export function pauseAfter(attempts: number): number {
  return Math.min(SHORTEST_PAUSE_MS * 2 ** (attempts - 1), LONGEST_PAUSE_MS);
}

/** Whether a mail that is still not sent has failed. `until` is when it is of no use any more; null if it always is. */
export function isGivenUp({ createdAt, until, attempts }: { createdAt: Date; until: Date | null; attempts: number }, nextAt: Date): boolean {
  return (until !== null && nextAt >= until) || (attempts >= FEWEST_ATTEMPTS && nextAt >= after(createdAt, TRYING_MS));
}

/** What is known of an attempt that failed. nodemailer's errors have this form. */
export interface SendingFault {
  /** nodemailer's own word for it, such as `ECONNECTION`. */
  readonly code?: string | undefined;
  /** The command that was answered, such as `RCPT TO`. */
  readonly command?: string | undefined;
  readonly responseCode?: number | undefined;
  /** The answer, beginning with its code. */
  readonly response?: string | undefined;
}

/** What an attempt that failed means for the mail and for those after it. */
export interface Verdict {
  /** It would be refused again. */
  readonly isRefused: boolean;
  /** The address has nobody. */
  readonly isDead: boolean;
  /** The fault is the mail server's or ours, so that every other mail would meet it now. */
  readonly isServerAway: boolean;
  /** The status of the answer: `5.1.1`, else `550`. Empty where there was none. */
  readonly status: string;
}

/**
 * Only what is said to the recipient or to the mail itself is about the mail. A 5xx to our login, our greeting or our sender
 * is an operator's to mend: the mail waits.
 */
export function verdictOn({ code, command, responseCode, response }: SendingFault): Verdict {
  // Not one byte went out: an address that can stand in no envelope
  if (code === "EENVELOPE" && command === "API") return { isRefused: true, isDead: false, isServerAway: false, status: "" };
  const isAboutMail = (command === "RCPT TO" || command === "DATA") && responseCode !== undefined && responseCode !== 421;
  const isRefused = isAboutMail && responseCode >= 500;
  const enhanced = /^\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b/.exec(response ?? "")?.[1];
  const status = enhanced ?? String(responseCode ?? "");
  const isDead = isRefused && command === "RCPT TO" && isDeadStatus(status);
  return { isRefused, isDead, isServerAway: !isAboutMail, status };
}

/**
 * Whether a status (RFC 3463), or an SMTP code where there is none, says that nobody is at an address: not that a mailbox is
 * full, a mail too large or somebody's rule against it, and nothing about its sender.
 */
export function isDeadStatus(status: string): boolean {
  return /^(?:550|551|553|5\.0\.0|5\.1\.(?:0|1|2|3|4|6|9|10)|5\.2\.1|5\.4\.(?:1|4|310))$/.test(status);
}
