import { randomBytes } from "node:crypto";
import { after, DAY } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { firstIdAt, newId } from "../ids.ts";
import { type Happening, record } from "../ledger/record.ts";
import { Language } from "../mailer/language.ts";
import { isDead } from "../mailer/dead-addresses.ts";
import type { MailKind } from "../mailer/mail-kinds.ts";
import { queueMail } from "../mailer/queue-mail.ts";
import type { NoticeData } from "../mailer/texts/notice.ts";
import type { MailboxKind } from "../mailboxes/mailbox.ts";
import type { DueNoticeKind } from "../messages/recipient.ts";
import { WARNING_DAYS } from "../retention/warn-of-expiry.ts";
import { changeDeliveries, type DeliveryKey } from "./deliveries.ts";
import { type Decision, decideNotice, startOfHour } from "./notice-policy.ts";
import { defaultPreferences, type NotificationPreferences } from "./notification-preferences.ts";
import { newReference } from "./reference.ts";

/** How many recipients one transaction tells. */
const BATCH = 100;
/** Whose transaction holds this advisory lock tells the next batch: what a mailbox has had this hour is counted by one at a time. */
const NOTICE_LOCK = 7_316_202_611;

/**
 * Tells every recipient to whom a notice is due by ordinary mail: queues the mail, keeps the notice and takes the due
 * date off in one transaction, a bounded batch each, until nothing is due. It may be killed anywhere and run on several
 * nodes at once; each message is told of once to each recipient.
 */
export async function notifyRecipients(ctx: Ctx, stop?: AbortSignal): Promise<void> {
  while ((await inTransaction(ctx, notifyBatch)) === BATCH) if (stop?.aborted) return;
}

async function notifyBatch(ctx: Ctx): Promise<number> {
  const { db, clock, config } = ctx;
  const now = clock.now();
  await db.run(takeLock, [NOTICE_LOCK]);
  const due = await db.run(takeDue, [now, BATCH]);
  if (due.length === 0) return 0;
  const mailboxes = await addresseesOf(ctx, [...new Set(due.map(({ mailboxId }) => mailboxId))]);
  const told = new Set(
    (await db.run(toldBefore, keysOf(due))).map(({ messageId, mailboxId, kind, occasion }) => `${messageId} ${mailboxId} ${kind} ${occasion}`),
  );

  const batch = new Batch(ctx);
  const settled: { row: DueRow; decision: Decision }[] = [];
  for (const row of due) {
    const to = mailboxes.get(row.mailboxId);
    if (to === undefined) throw new Error("A recipient's mailbox is missing");
    let decision = decideNotice({ ...row, isUnread: row.copyId !== null }, to, now, config.limits.maxNoticesPerHour - to.noticesThisHour);
    if (decision.kind === "tell" && told.has(`${row.messageId} ${row.mailboxId} ${decision.as} ${decision.occasion}`)) decision = { kind: "drop" };
    if (decision.kind === "tell") {
      to.noticesThisHour += 1;
      await batch.tell(to, row, decision.as, decision.occasion);
    }
    settled.push({ row, decision });
  }
  await tellTogether(batch, mailboxes, settled);
  await db.run(settle, [
    ...keysOf(due),
    settled.map(({ decision }) => (decision.kind === "put-off" ? decision.until : null)),
    settled.map(({ decision }) => (decision.kind === "put-off" ? "digest" : null)),
    settled.map(({ decision }) => (decision.kind === "put-off" ? decision.occasion : null)),
  ]);
  const dead = settled.filter(({ decision }) => decision.kind === "fail").map(({ row }) => row);
  batch.happenings.push(...(await changeDeliveries(ctx, "failed", dead, "DEAD_ADDRESS")));
  await batch.write();
  return due.length;
}

/** One mail for all that was put off to the same occasion. A later batch finds the notice there and adds to it what it has. */
async function tellTogether(
  batch: Batch,
  mailboxes: ReadonlyMap<string, AddresseeRow>,
  settled: readonly { row: DueRow; decision: Decision }[],
): Promise<void> {
  const { ctx } = batch;
  const groups = new Map<string, { to: AddresseeRow; occasion: string; rows: DueRow[] }>();
  for (const { row, decision } of settled) {
    const to = mailboxes.get(row.mailboxId);
    if (decision.kind !== "tell-together" || to === undefined) continue;
    const key = `${row.mailboxId} ${decision.occasion}`;
    const group = groups.get(key) ?? { to, occasion: decision.occasion, rows: [] };
    group.rows.push(row);
    groups.set(key, group);
  }
  if (groups.size === 0) return;
  const all = [...groups.values()];
  const present = await ctx.db.run(lockTogether, [all.map(({ to }) => to.id), all.map(({ occasion }) => occasion)]);
  const known = new Map(present.map(({ id, mailboxId, occasion }) => [`${mailboxId} ${occasion}`, id]));
  const sent = new Set(present.length === 0 ? [] : (await ctx.db.run(sentNotices, [present.map(({ id }) => id)])).map(({ id }) => id));
  const notified: DeliveryKey[] = [];
  for (const [key, { to, occasion, rows }] of groups) {
    const id = known.get(key) ?? (await batch.tellTogether(to, occasion, rows));
    for (const { messageId, mailboxId } of rows) batch.noticed.push({ noticeId: id, messageId, mailboxId });
    if (sent.has(id)) notified.push(...rows);
  }
  batch.happenings.push(...(await changeDeliveries(ctx, "notified", notified)));
}

/** The notices of one transaction, written together at its end. */
class Batch {
  readonly happenings: Happening[] = [];
  readonly noticed: (DeliveryKey & { readonly noticeId: string })[] = [];
  readonly #notices: Notice[] = [];
  readonly #now: Date;

  constructor(readonly ctx: Ctx) {
    this.#now = ctx.clock.now();
  }

  /** One mail for one message. */
  async tell(to: AddresseeRow, { messageId, copyId, noticeOccasion }: DueRow, kind: "notice" | "reminder" | "expiry-notice", occasion: string): Promise<void> {
    const sign = newSign();
    const common = { address: to.address, language: this.#languageOf(to), phrase: await this.#phraseOf(to) };
    const days = Number(noticeOccasion ?? 0);
    const mailId =
      kind === "notice" ? await queueMail(this.ctx, { kind, ...common, data: sign }) : await queueMail(this.ctx, { kind, ...common, data: { ...sign, days } });
    this.#add({ kind, mailboxId: to.id, copyId, messageId, occasion, mailId, ...sign });
  }

  /** One mail for several; returns the notice's id. */
  async tellTogether(to: AddresseeRow, occasion: string, rows: readonly DueRow[]): Promise<string> {
    const sign = newSign();
    const soon = after(this.#now, Math.max(...WARNING_DAYS) * DAY);
    const expiring = rows.filter(({ expiresAt }) => expiresAt !== null && expiresAt <= soon).length;
    const data = { ...sign, waiting: Math.max(rows.length, to.unreadCount), expiring };
    const common = { address: to.address, language: this.#languageOf(to), phrase: await this.#phraseOf(to) };
    const mailId = await queueMail(this.ctx, { kind: "digest", ...common, data });
    return this.#add({ kind: "digest", mailboxId: to.id, copyId: null, messageId: null, occasion, mailId, ...sign });
  }

  /** Mailboxes are locked here, last of all. */
  async write(): Promise<void> {
    const { db, keyedHash } = this.ctx;
    const notices = this.#notices;
    if (notices.length > 0)
      await db.run(insertNotices, [
        notices.map(({ id }) => id),
        notices.map(({ kind }) => kind),
        notices.map(({ mailboxId }) => mailboxId),
        notices.map(({ copyId }) => copyId),
        notices.map(({ messageId }) => messageId),
        notices.map(({ occasion }) => occasion),
        notices.map(({ reference }) => reference),
        notices.map(({ token }) => keyedHash.hash("notice-token", token)),
        notices.map(({ mailId }) => mailId),
        this.#now,
      ]);
    if (this.noticed.length > 0) await db.run(insertNoticed, [this.noticed.map(({ noticeId }) => noticeId), ...keysOf(this.noticed)]);
    const queued = notices.map(({ id, kind, mailboxId, messageId }): Happening => ({
      action: "notice.queued",
      mailboxId,
      subjectId: id,
      code: kind,
      ...(messageId === null ? {} : { messageId }),
    }));
    await record(this.ctx, ...queued, ...this.happenings);
  }

  async #phraseOf({ accountId, phrase }: AddresseeRow): Promise<string | null> {
    if (accountId === null || phrase === null) return null;
    return (await this.ctx.dataKeys.directory()).open<string>({ id: accountId, field: "phrase" }, phrase);
  }

  #languageOf({ language }: AddresseeRow): Language {
    return language ?? Language[this.ctx.config.defaultLanguage];
  }

  #add(notice: Omit<Notice, "id">): string {
    const id = newId(this.#now);
    this.#notices.push({ id, ...notice });
    return id;
  }
}

/** By what a notice is known: the token of its link, and what can be typed. */
function newSign(): NoticeData {
  return { token: randomBytes(16).toString("base64url"), reference: newReference() };
}

/** A notice to be kept. */
interface Notice {
  readonly id: string;
  readonly kind: MailKind;
  readonly mailboxId: string;
  readonly copyId: string | null;
  readonly messageId: string | null;
  readonly occasion: string;
  readonly reference: string;
  readonly token: string;
  readonly mailId: string;
}

/** Whoever owns a person's mailbox decides how they are told; a mailbox that waits for its owner is told by default. */
async function addresseesOf(ctx: Ctx, mailboxIds: readonly string[]): Promise<Map<string, AddresseeRow>> {
  const now = ctx.clock.now();
  const rows = await ctx.db.run(addressees, [mailboxIds, now, firstIdAt(startOfHour(now)), ctx.config.limits.maxNoticesPerHour]);
  const dead = await isDead(
    ctx,
    rows.map(({ address }) => address),
  );
  return new Map(
    rows.map(({ delivery, reminders, expiryWarnings, ...row }) => [
      row.id,
      {
        ...row,
        isDead: dead.has(row.address),
        delivery: delivery ?? defaultPreferences.delivery,
        reminders: reminders ?? defaultPreferences.reminders,
        expiryWarnings: expiryWarnings ?? defaultPreferences.expiryWarnings,
      },
    ]),
  );
}

function keysOf(deliveries: readonly DeliveryKey[]): [messageIds: string[], mailboxIds: string[]] {
  return [deliveries.map(({ messageId }) => messageId), deliveries.map(({ mailboxId }) => mailboxId)];
}

/** Something due to a recipient. */
interface DueRow extends DeliveryKey {
  readonly noticeKind: DueNoticeKind | null;
  readonly noticeOccasion: string | null;
  /** Null where it has been read, thrown away or has expired since. */
  readonly copyId: string | null;
  readonly expiresAt: Date | null;
}

interface FoundAddressee {
  readonly id: string;
  readonly address: string;
  readonly kind: MailboxKind;
  readonly unreadCount: number;
  readonly accountId: string | null;
  readonly language: Language | null;
  readonly phrase: Buffer | null;
  /** At most as many as it may get. */
  noticesThisHour: number;
}

type AddresseeRow = FoundAddressee & NotificationPreferences & { readonly isDead: boolean };

const takeLock = statement("notices-lock", "select pg_advisory_xact_lock($1)");

const takeDue = statement<DueRow & Record<string, unknown>>(
  "notices-take-due",
  `with due as materialized (
     select message_id, n, mailbox_id, notice_at, notice_kind, notice_occasion from recipients
     where notice_at <= $1 order by notice_at limit $2 for no key update skip locked
   )
   select d.message_id as "messageId", d.mailbox_id as "mailboxId", d.notice_kind as "noticeKind", d.notice_occasion as "noticeOccasion",
          c.id as "copyId", c.expires_at as "expiresAt"
   from due d left join lateral (
     select id, expires_at from copies where message_id = d.message_id and mailbox_id = d.mailbox_id
       and folder in ('INBOX', 'ARCHIVE') and opened_at is null and read_at is null and expires_at > $1 limit 1
   ) c on true
   order by d.notice_at, d.message_id, d.n`,
);

const addressees = statement<FoundAddressee & { [name in keyof NotificationPreferences]: NotificationPreferences[name] | null }>(
  "notices-addressees",
  `select m.id, m.address, m.kind, m.unread_count as "unreadCount", a.id as "accountId", a.language, a.phrase,
          p.delivery, p.reminders, p.expiry_warnings as "expiryWarnings",
          (select count(*)::int from (select from notices n where n.mailbox_id = m.id and n.id >= $3 limit $4) as recent) as "noticesThisHour"
   from mailboxes m
   left join lateral (
     select a.id, a.language, a.phrase from mailbox_holders h join accounts a on a.id = h.account_id
     where h.mailbox_id = m.id and h.role = 'OWNER' and (h.ends_at is null or h.ends_at > $2) order by h.created_at, a.id limit 1
   ) a on m.kind = 'PERSON'
   left join notification_preferences p on p.account_id = a.id
   where m.id = any ($1::uuid[])`,
);

const toldBefore = statement<DeliveryKey & { kind: string; occasion: string }>(
  "notices-told-before",
  `select n.message_id as "messageId", n.mailbox_id as "mailboxId", n.kind, n.occasion
   from unnest($1::uuid[], $2::uuid[]) as wanted (message_id, mailbox_id)
   join notices n on n.message_id = wanted.message_id and n.mailbox_id = wanted.mailbox_id`,
);

// Locked against `mail-outcome.ts`: either it sees what we add to the notice, or we see that the mail is sent.
const lockTogether = statement<{ id: string; mailboxId: string; occasion: string }>(
  "notices-lock-together",
  `select n.id, n.mailbox_id as "mailboxId", n.occasion from unnest($1::uuid[], $2::text[]) as wanted (mailbox_id, occasion)
   join notices n on n.mailbox_id = wanted.mailbox_id and n.kind = 'digest' and n.occasion = wanted.occasion and n.message_id is null
   order by n.id for update of n`,
);

const sentNotices = statement<{ id: string }>(
  "notices-sent",
  "select n.id from notices n join mails m on m.id = n.mail_id where n.id = any ($1::uuid[]) and m.sent_at is not null and m.failed_at is null",
);

const settle = statement(
  "notices-settle",
  `update recipients r set notice_at = settled.notice_at, notice_kind = settled.kind, notice_occasion = settled.occasion
   from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[]) as settled (message_id, mailbox_id, notice_at, kind, occasion)
   where r.message_id = settled.message_id and r.mailbox_id = settled.mailbox_id`,
);

const insertNotices = statement(
  "notices-insert",
  `insert into notices (id, kind, mailbox_id, copy_id, message_id, occasion, reference, token_hash, mail_id, created_at)
   select n.*, $10 from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::bytea[], $9::uuid[]) as n`,
);

const insertNoticed = statement(
  "notices-insert-noticed",
  `insert into noticed_messages (notice_id, message_id, mailbox_id)
   select * from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as noticed on conflict do nothing`,
);
