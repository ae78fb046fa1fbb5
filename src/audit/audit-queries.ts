import type { Ctx, ViewerCtx } from "../context.ts";
import { type Statement, statement } from "../db/database.ts";
import { type Connection, connection, decodeCursor, encodeCursor, pageRequest, UUID_FORM } from "../graphql/connection.ts";
import { decodeId } from "../graphql/node-id.ts";
import { firstIdAt } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { readSeal } from "../ledger/seal.ts";
import { AuditEvent, type AuditFilter } from "./audit-event.ts";
import { AuditSeal } from "./audit-seal.ts";

/** Which way a page of the audit goes: only ever from newer to older. */
export interface AuditPage {
  readonly first?: number | null;
  readonly after?: string | null;
}

/** A page of the ledger, newest first, for an administrator. That it was looked at is recorded before it is answered. */
export async function auditEventsPage(ctx: ViewerCtx, filter: AuditFilter | null | undefined, args: AuditPage): Promise<Connection<AuditEvent>> {
  const page = pageRequest(args, ctx.config.limits);
  const [before] = page.after === null ? [] : decodeCursor("audit", page.after, "after", UUID_FORM);
  const events = await auditEvents(ctx, filter, before, ctx.config.limits.maxPageSize + 1);
  await record(ctx, { action: "audit.viewed" });
  return connection(events.slice(0, page.size + 1), page, ({ id }) => encodeCursor("audit", id));
}

/** Events older than the one with this id, newest first, at most `count`, which is one of a few. */
export async function auditEvents(ctx: Ctx, filter: AuditFilter | null | undefined, before: string | undefined, count: number): Promise<AuditEvent[]> {
  const { actorId, mailboxId, action, since, until } = filter ?? {};
  const conditions: string[] = [];
  const values: unknown[] = [];
  const where = (condition: string, value: unknown): void => {
    conditions.push(`${condition} $${values.push(value)}`);
  };
  if (actorId != null) where("e.actor_id =", decodeId("Account", actorId, "actorId"));
  if (mailboxId != null) where("e.mailbox_id =", decodeId("Mailbox", mailboxId, "mailboxId"));
  if (action != null) conditions.push(`e.action = '${action}'`); // In the text, so that its partial index serves
  if (since != null) where("e.id >=", firstIdAt(since));
  if (until != null) where("e.id <", firstIdAt(until));
  if (before !== undefined) where("e.id <", before);
  const rows = await ctx.db.run(pageStatement(conditions, count), values);
  return rows.map((row) => Object.assign(new AuditEvent(), row));
}

/** A page of seals, newest first, for an administrator. */
export async function auditSealsPage(ctx: ViewerCtx, args: AuditPage): Promise<Connection<AuditSeal>> {
  const page = pageRequest(args, ctx.config.limits);
  const [before = Number.MAX_SAFE_INTEGER] = page.after === null ? [] : decodeCursor("seal", page.after, "after", /^\d{1,15}$/);
  const rows = await ctx.db.run(sealsBefore, [before, page.size + 1]);
  return connection(rows.map(toSeal), page, ({ number }) => encodeCursor("seal", number));
}

function toSeal({ number, jws }: { number: number; jws: string }): AuditSeal {
  const { sealedAt, events } = readSeal(jws)?.payload ?? { sealedAt: 0, events: 0 };
  return Object.assign(new AuditSeal(), { number, jws, sealedAt: new Date(sealedAt), eventCount: events });
}

type AuditRow = Omit<AuditEvent, "mailboxId" | "counterpartId">;

const pageStatements = new Map<string, Statement<AuditRow>>();

/**
 * The statement with these conditions: few shapes exist, so each is prepared once. Names and seals are looked up for its
 * rows only. The count stands in the text: planned for any count, it would be planned for a tenth of the ledger.
 */
function pageStatement(conditions: readonly string[], count: number): Statement<AuditRow> {
  const shape = `where ${conditions.join(" and ") || "true"} order by e.id desc limit ${count}`;
  const known = pageStatements.get(shape);
  if (known) return known;
  const made = statement<AuditRow>(
    `audit-page-${pageStatements.size}`,
    `select e.id, e.at, e.action, e.actor_id as "actorId", a.user_id as "actorUserId", e.mailbox_id as "mailboxKey",
       case when m.kind <> 'ORGANISATION' then m.address end as "mailboxAddress", e.sequence, e.subject_id as "subjectId", e.message_id as "messageId", e.code,
       e.counterpart_id as "counterpartKey", e.was_sent as "wasSent", e.opened_at as "openedAt",
       (select case when r.to_sequence - length(r.hashes) / 32 < e.sequence then r.seal end from sealed_ranges r
        where r.mailbox_id = e.mailbox_id and r.to_sequence >= e.sequence order by r.to_sequence limit 1) as "sealedBy"
     from (select * from events e ${shape}) as e
     left join accounts a on a.id = e.actor_id left join mailboxes m on m.id = e.mailbox_id
     order by e.id desc`,
  );
  pageStatements.set(shape, made);
  return made;
}

const sealsBefore = statement<{ number: number; jws: string }>("audit-seals", "select number, jws from seals where number < $1 order by number desc limit $2");
