import { simpleParser } from "mailparser";
import type { Ctx } from "../context.ts";
import { mailIdOf } from "./bounce-address.ts";
import { failMail } from "./fail-mail.ts";
import type { MailOutcome } from "./mail-outcome.ts";
import { isDeadStatus } from "./mail-policy.ts";

/** A bounce holds our own small mail at most; nothing beyond this is read. */
export const MOST_BOUNCE_BYTES = 1024 * 1024;

/** Where the address it came to stands, by whoever delivered it. */
const recipientHeaders: readonly string[] = ["to", "delivered-to", "x-original-to", "envelope-to"];

/**
 * Reads a mail that came to one of our bounce addresses. Only a delivery status notification (RFC 3464) that says "failed", to an
 * address that we made for a mail of ours, marks that mail failed; and its address dead if nobody is there. Delays,
 * receipts, answers of machines and of people, and whatever somebody made up are ignored. Returns whether it was a failure.
 */
export async function recordBounce(ctx: Ctx, rawMessage: Buffer, outcomes: readonly MailOutcome[]): Promise<boolean> {
  const { headers, headerLines, attachments } = await simpleParser(rawMessage, {
    keepDeliveryStatus: true,
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipImageLinks: true,
  });
  if (!isReport(headers.get("content-type"))) return false;
  const status = attachments.find(({ contentType }) => /^message\/(?:global-)?delivery-status$/.test(contentType))?.content.toString("utf8");
  const failed = status === undefined ? undefined : groupsOf(status).find((group) => /^failed\b/i.test(group.get("action") ?? ""));
  if (failed === undefined) return false;
  const mailId = headerLines
    .filter(({ key }) => recipientHeaders.includes(key))
    .flatMap(({ line }) => line.match(/bounce\+[0-9a-f-]+@[a-z0-9.-]+/gi) ?? [])
    .map((address) => mailIdOf(ctx, address))
    .find((id) => id !== null);
  if (mailId === undefined || mailId === null) return false;
  const code = statusOf(failed);
  await failMail(ctx, outcomes, mailId, "BOUNCED", isDeadStatus(code) ? code : null);
  return true;
}

function isReport(contentType: unknown): boolean {
  if (typeof contentType !== "object" || contentType === null || !("value" in contentType) || !("params" in contentType)) return false;
  const { value, params } = contentType;
  const type = typeof params === "object" && params !== null && "report-type" in params ? params["report-type"] : "";
  return value === "multipart/report" && typeof type === "string" && type.toLowerCase() === "delivery-status";
}

/** The groups of fields in a delivery status: first about the mail, then about each recipient. */
function groupsOf(status: string): Map<string, string>[] {
  return status
    .replaceAll("\r\n", "\n")
    .split(/\n[ \t]*\n/)
    .map((group) => new Map(fieldsOf(group.replace(/\n[ \t]+/g, " "))));
}

function fieldsOf(group: string): [name: string, value: string][] {
  return group.split("\n").flatMap((line): [string, string][] => {
    const [, name, value] = /^([\w-]+)\s*:\s*(.*)$/.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name.toLowerCase(), value.trim()]];
  });
}

/** The status; where it says no more than "failed", what the last mail server had answered. */
function statusOf(group: ReadonlyMap<string, string>): string {
  const [status = ""] = /^\d\.\d{1,3}\.\d{1,3}/.exec(group.get("status") ?? "") ?? [];
  const [, code, enhanced] = /\b([45]\d\d)[ -](?:#?(\d\.\d{1,3}\.\d{1,3})\b)?/.exec(group.get("diagnostic-code") ?? "") ?? [];
  return status === "5.0.0" || status === "" ? (enhanced ?? code ?? status) : status;
}
