import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { type Happening, record } from "../ledger/record.ts";
import { makeNoticesDue } from "../messages/due-notices.ts";
import { expiryOf, type Message } from "../messages/message.ts";
import type { DataKey } from "../vault/seal.ts";
import type { HoldReason } from "./hold.ts";
import { reseal } from "./reseal.ts";
import { nearestWarning, WARNING_DAYS } from "./warn-of-expiry.ts";

/** How many messages one transaction brings into line: their bodies are in memory together. */
const BATCH = 50;

/**
 * Lets nobody else change holds until the caller's transaction ends, so that no two of them see half of one another:
 * nothing is sealed again under the key of a hold that has just ended. Holds are few and rare; readers do not wait.
 */
export async function lockHolds(ctx: Ctx): Promise<void> {
  await ctx.db.run(lockTable);
}

/**
 * Brings a batch of messages into line with the holds there are, in the caller's transaction and under `lockHolds`: what
 * a hold in force covers is sealed under the key of the one that lasts longest and expires with it; what none covers any
 * more goes back to its day, or, where that has passed, expires at this instant. With `holdId` only what that hold is
 * about. Returns how many messages it looked at; none means that all is in line.
 */
export async function settleHolds(ctx: Ctx, holdId: string | null = null): Promise<number> {
  const now = ctx.clock.now();
  const ids = (await ctx.db.run(unsettled, [now, holdId, BATCH])).map(({ id }) => id);
  if (ids.length === 0) return 0;
  const messages = await ctx.db.run(lockMessages, [ids]);
  await ctx.db.run(lockCopies, [ids]);
  const holds = new Map((await ctx.db.run(longestHolds, [ids, now])).map((hold) => [hold.messageId, hold]));
  const keys = new Map<string, DataKey>();
  const settled: Settled[] = [];
  for (const message of messages) {
    const hold = holds.get(message.id);
    const day = expiryOf(message.sentAt);
    if (hold) {
      keys.set(message.id, await ctx.dataKeys.ofHold(hold.holdId));
      settled.push({ id: message.id, heldBy: hold.holdId, reason: hold.reason, heldUntil: hold.until, expiresAt: hold.until > day ? hold.until : day });
    } else if (day > now) {
      keys.set(message.id, await ctx.dataKeys.ofDay(message.sentAt));
      settled.push({ id: message.id, heldBy: null, reason: null, heldUntil: null, expiresAt: day });
    } else {
      const expiresAt = message.expiresAt < now ? message.expiresAt : now;
      settled.push({ id: message.id, heldBy: null, reason: null, heldUntil: expiresAt > day ? expiresAt : null, expiresAt });
    }
  }
  await reseal(ctx, keys);
  await ctx.db.run(settleMessages, [settled.map(({ id }) => id), settled.map(({ heldBy }) => heldBy), settled.map(({ expiresAt }) => expiresAt)]);
  await tell(ctx, settled, now);
  return ids.length;
}

/** What a message is to be. */
interface Settled {
  readonly id: string;
  readonly heldBy: string | null;
  readonly reason: HoldReason | null;
  readonly heldUntil: Date | null;
  readonly expiresAt: Date;
}

/** Changes the copies and tells their mailboxes. What goes back to its day may be past warnings it was never given: it gets the nearest. */
async function tell(ctx: Ctx, settled: readonly Settled[], now: Date): Promise<void> {
  const values = [settled.map(({ id }) => id), settled.map(({ heldUntil }) => heldUntil), settled.map(({ expiresAt }) => expiresAt)];
  const copies = await ctx.db.run(settleCopies, values);
  const byId = new Map(settled.map((message) => [message.id, message]));
  for (const days of WARNING_DAYS) {
    const released = settled.filter(({ heldBy, expiresAt }) => heldBy === null && nearestWarning(expiresAt, now) === days);
    await makeNoticesDue(ctx, { kind: "expiry-notice", occasion: String(days), messageIds: released.map(({ id }) => id) });
  }
  const happenings = copies.flatMap(({ mailboxId, id, messageId }): Happening[] => {
    const { heldBy = null, reason = null, expiresAt = now } = byId.get(messageId) ?? {};
    const about = { mailboxId, subjectId: id, messageId };
    if (heldBy !== null) return [{ ...about, action: "message.held", code: reason }];
    const daysLeft = nearestWarning(expiresAt, now);
    const warning: Happening[] = daysLeft === null ? [] : [{ ...about, action: "message.expiring", code: String(daysLeft) }];
    return [{ ...about, action: "message.released" }, ...warning];
  });
  await record(ctx, ...happenings);
}

const lockTable = statement("holds-lock", "lock table holds in share row exclusive mode");

// What a hold in force covers and none that lasts as long holds, the first to expire first; and what an ended hold still seals.
const unsettled = statement<{ id: string }>(
  "holds-unsettled",
  `(select m.id from holds h cross join lateral (
      select id, expires_at, held_by from messages where id = h.message_id
      union all
      select id, expires_at, held_by from messages where thread_id = h.thread_id
    ) m left join holds present on present.id = m.held_by
    where h.ended_at is null and h.until > $1 and ($2::uuid is null or h.id = $2)
      and m.expires_at > $1 and (present.id is null or present.until < h.until)
    order by m.expires_at, m.id limit $3)
   union
   (select m.id from holds h join messages m on m.held_by = h.id
    where h.ended_at is not null and h.key_destroyed_at is null and ($2::uuid is null or h.id = $2)
    order by m.id limit $3)
   limit $3`,
);

const lockMessages = statement<Pick<Message, "id" | "sentAt" | "expiresAt">>(
  "holds-lock-messages",
  `select id, sent_at as "sentAt", expires_at as "expiresAt" from messages where id = any ($1::uuid[]) order by id for update`,
);

const lockCopies = statement<{ copies: number }>(
  "holds-lock-copies",
  `select count(*)::int as copies from (
     select from copies where message_id = any ($1::uuid[]) order by mailbox_id, id for no key update) as locked`,
);

const longestHolds = statement<{ messageId: string; holdId: string; reason: HoldReason; until: Date }>(
  "holds-longest",
  `select distinct on (m.id) m.id as "messageId", h.id as "holdId", h.reason, h.until
   from messages m cross join lateral (
     select * from holds where message_id = m.id
     union all
     select * from holds where thread_id = m.thread_id
   ) h
   where m.id = any ($1::uuid[]) and m.expires_at > $2 and h.ended_at is null and h.until > $2
   order by m.id, h.until desc, h.id`,
);

const settleMessages = statement(
  "holds-settle-messages",
  `update messages m set held_by = settled.held_by, expires_at = settled.expires_at
   from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as settled (id, held_by, expires_at) where m.id = settled.id`,
);

const settleCopies = statement<{ mailboxId: string; id: string; messageId: string }>(
  "holds-settle-copies",
  `update copies c set held_until = settled.held_until, expires_at = settled.expires_at
   from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) as settled (message_id, held_until, expires_at)
   where c.message_id = settled.message_id
   returning c.mailbox_id as "mailboxId", c.id, c.message_id as "messageId"`,
);
