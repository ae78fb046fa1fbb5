import { type Ctx, inTransaction } from "../context.ts";
import type { QueryResultRow } from "pg";
import { type Db, type Statement, statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { topicOfMailbox } from "./bus.ts";
import { type Action, ORGANISATION_STREAM } from "./event.ts";
import { reactiveActions } from "./reactions.ts";

/** Something that happened, to be written to the ledger. */
export interface Happening {
  readonly action: Action;
  /** Whose stream it belongs to; the organisation's own if none. */
  readonly mailboxId?: string;
  readonly subjectId?: string;
  readonly messageId?: string;
  /** Who did it, where that is not the viewer; null for the server itself. */
  readonly actorId?: string | null;
  readonly code?: string | null;
  /** Of a copy that goes: what its tombstone says. */
  readonly counterpartId?: string | null;
  readonly wasSent?: boolean;
  readonly openedAt?: Date | null;
  /** By how much it changes the mailbox's count of unread copies in its INBOX. */
  readonly unread?: number;
}

/**
 * Writes happenings to the ledger in the caller's transaction, in order, each with its mailbox's next sequence, and an
 * outbox row beside each that has follow-ups. Roll back and nothing happened; commit and nothing can be lost.
 *
 * Mailboxes are locked in the order of their ids, here and nowhere else, so that two writers never wait for each other
 * in a ring. Whoever also locks messages or copies locks those first, in that order.
 */
export async function record(ctx: Ctx, ...happenings: Happening[]): Promise<void> {
  if (happenings.length === 0) return;
  await inTransaction(ctx, async ({ db, clock, viewer, transaction }) => {
    await writeEvents(db, clock.now(), viewer?.accountId ?? null, happenings);
    for (const { action, mailboxId } of happenings) {
      if (mailboxId !== undefined) transaction?.topics.add(topicOfMailbox(mailboxId));
      if (transaction && reactiveActions.includes(action)) transaction.hasFollowUps = true;
    }
  });
}

/** Writes happenings to the ledger in the transaction of `db` and tells nobody; for whoever has no `Ctx`. */
export async function writeEvents(db: Db, now: Date, viewerId: string | null, happenings: readonly Happening[]): Promise<void> {
  await db.run(recordEvents, [
    happenings.map((happening) => happening.mailboxId ?? ORGANISATION_STREAM),
    happenings.map(() => newId(now)),
    happenings.map((happening) => happening.action),
    happenings.map((happening) => (happening.actorId === undefined ? viewerId : happening.actorId)),
    happenings.map((happening) => happening.subjectId ?? null),
    happenings.map((happening) => happening.messageId ?? null),
    happenings.map((happening) => happening.code ?? null),
    happenings.map((happening) => happening.unread ?? 0),
    now,
    happenings.map((happening) => happening.counterpartId ?? null),
    happenings.map((happening) => happening.wasSent ?? null),
    happenings.map((happening) => happening.openedAt ?? null),
  ]);
}

/**
 * A statement that changes rows and records it, for changes so many that they shall not come here and go back. `changes`
 * are CTEs; the last is `happening`, with the columns mailbox_id, id, at, action, actor_id, subject_id, message_id, code,
 * unread, counterpart_id, was_sent, opened_at and n, their order. `result` is what it returns, as columns.
 */
export function recordingStatement<Row extends QueryResultRow>(name: string, changes: string, result: string): Statement<Row & Recorded> {
  return statement(
    name,
    `with ${changes}, ${recorded} select ${result}, array(select id from moved) as "movedMailboxIds", exists (select from followed) as "hasFollowUps"`,
  );
}

/** Whom a recording statement has to tell. */
interface Recorded {
  readonly movedMailboxIds: string[];
  readonly hasFollowUps: boolean;
}

/** Runs a recording statement in the caller's transaction. The same order of locks holds as for `record`. */
export async function runRecording<Row extends QueryResultRow>(ctx: Ctx, recording: Statement<Row & Recorded>, values: unknown[]): Promise<Row> {
  return inTransaction(ctx, async ({ db, transaction }) => {
    const row = await db.one(recording, values);
    for (const id of row.movedMailboxIds) transaction?.topics.add(topicOfMailbox(id));
    if (transaction && row.hasFollowUps) transaction.hasFollowUps = true;
    return row;
  });
}

/** A fresh UUIDv7 of an instant, in SQL that PostgreSQL 15 knows. */
export const newIdInSql = (at: string): string =>
  `(lpad(to_hex((extract(epoch from ${at}::timestamptz) * 1000)::bigint), 12, '0') || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid`;

const recorded = `stream as (
     select mailbox_id, count(*) as events, sum(unread)::int as unread from happening group by mailbox_id
   ), locked as (
     select m.id, s.events, s.unread from stream s join mailboxes m on m.id = s.mailbox_id order by m.id for no key update of m
   ), moved as (
     update mailboxes m set last_sequence = m.last_sequence + l.events, unread_count = m.unread_count + l.unread
     from locked l where m.id = l.id
     returning m.id, m.last_sequence - l.events as last_sequence
   ), written as (
     insert into events (mailbox_id, sequence, id, at, action, actor_id, subject_id, message_id, code, counterpart_id, was_sent, opened_at)
     select h.mailbox_id, m.last_sequence + row_number() over (partition by h.mailbox_id order by h.n), h.id, h.at, h.action,
            h.actor_id, h.subject_id, h.message_id, h.code, h.counterpart_id, h.was_sent, h.opened_at
     from happening h join moved m on m.id = h.mailbox_id
   ), followed as (
     insert into outbox (event_id, action, mailbox_id, subject_id, message_id)
     select id, action, mailbox_id, subject_id, message_id from happening
     where action in (${reactiveActions.map((action) => `'${action}'`).join(", ")}) returning event_id
   )`;

const recordEvents = statement(
  "record-events",
  `with happening as (
     select *, $9::timestamptz as at
     from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::int[], $10::uuid[], $11::boolean[], $12::timestamptz[])
       with ordinality as h (mailbox_id, id, action, actor_id, subject_id, message_id, code, unread, counterpart_id, was_sent, opened_at, n)
   ), ${recorded} select from followed`,
);
