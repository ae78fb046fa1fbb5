import { stringify } from "csv-stringify";
import { pipeline, Readable } from "node:stream";
import type { ViewerCtx } from "../context.ts";
import { encodeId } from "../graphql/node-id.ts";
import type { Action } from "../ledger/event.ts";
import { record } from "../ledger/record.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { AuditAction, type AuditEvent, type AuditFilter, nameOf } from "./audit-event.ts";
import { auditEvents } from "./audit-queries.ts";

/** A file to save, as it streams. */
export interface AuditExport {
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Readable;
}

const BATCH = 1000;

/**
 * All events that a filter shows, newest first, as CSV (RFC 4180) or JSON lines, for an administrator. Recorded before
 * anything is sent. Read batch by batch as it is taken, so it needs little memory however long it is.
 */
export async function exportAuditEvents(ctx: ViewerCtx, query: Query): Promise<AuditExport> {
  const format = query.format ?? "csv";
  if (format !== "csv" && format !== "jsonl") refuse(ProblemCode.INVALID_INPUT, "`format` is csv or jsonl.", { field: "format" });
  const filter = filterOf(query);
  let events = await auditEvents(ctx, filter, undefined, BATCH);
  await record(ctx, { action: "audit.exported" });
  const entries = async function* (): AsyncGenerator<Entry> {
    for (;;) {
      yield* events.map(entryOf);
      if (events.length < BATCH) return;
      events = await auditEvents(ctx, filter, events.at(-1)?.id, BATCH);
    }
  };
  return {
    headers: {
      "cache-control": "private, no-store",
      "content-disposition": `attachment; filename="audit-events.${format}"`,
      "content-security-policy": "default-src 'none'; sandbox",
      "content-type": format === "csv" ? "text/csv; charset=utf-8" : "application/jsonl; charset=utf-8",
    },
    bytes: format === "csv" ? toCsv(entries()) : Readable.from(toLines(entries())),
  };
}

/** What the address asks for, as it came. */
export type Query = Readonly<Record<string, unknown>>;

/** One event in the file, with the ids and names that the API has for it. */
type Entry = ReturnType<typeof entryOf>;

function entryOf(event: AuditEvent) {
  const { id, at, action, actorId, actorUserId, mailboxId, mailboxAddress, sequence, subjectId, messageId, code, counterpartId, wasSent, openedAt, sealedBy } =
    event;
  return {
    id,
    at: at.toISOString(),
    action: nameOf(action),
    actorId: actorId && encodeId("Account", actorId),
    actorUserId,
    mailboxId,
    mailboxAddress,
    sequence,
    subjectId,
    messageId,
    code,
    counterpartId,
    wasSent,
    openedAt: openedAt && openedAt.toISOString(),
    sealedBy,
  };
}

/** Cells that a spreadsheet would take for a formula are made plain text: user IDs and addresses are other people's words. */
function toCsv(entries: AsyncGenerator<Entry>): Readable {
  const columns: (keyof Entry)[] = [
    "id",
    "at",
    "action",
    "actorId",
    "actorUserId",
    "mailboxId",
    "mailboxAddress",
    "sequence",
    "subjectId",
    "messageId",
    "code",
    "counterpartId",
    "wasSent",
    "openedAt",
    "sealedBy",
  ];
  return pipeline(Readable.from(entries), stringify({ header: true, columns, escape_formulas: true, record_delimiter: "windows" }), () => undefined);
}

async function* toLines(entries: AsyncGenerator<Entry>): AsyncGenerator<string> {
  for await (const entry of entries) yield `${JSON.stringify(entry)}\n`;
}

function filterOf(query: Query): AuditFilter {
  const { actorId, mailboxId, action, since, until } = query;
  return {
    actorId: textOf(actorId, "actorId"),
    mailboxId: textOf(mailboxId, "mailboxId"),
    action: actionOf(action),
    since: instantOf(since, "since"),
    until: instantOf(until, "until"),
  };
}

function textOf(value: unknown, field: string): string | null {
  if (value === undefined) return null;
  return typeof value === "string" ? value : refuse(ProblemCode.INVALID_INPUT, "Give it once.", { field });
}

function actionOf(value: unknown): Action | null {
  const name = textOf(value, "action");
  return name === null ? null : (AuditAction[name] ?? refuse(ProblemCode.INVALID_INPUT, "This is no AuditAction.", { field: "action" }));
}

function instantOf(value: unknown, field: string): Date | null {
  const text = textOf(value, field);
  if (text === null) return null;
  const instant = new Date(text);
  return /^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(instant.getTime())
    ? instant
    : refuse(ProblemCode.INVALID_INPUT, "This is no instant in ISO 8601.", { field });
}
