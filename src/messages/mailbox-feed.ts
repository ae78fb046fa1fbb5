import { setTimeout } from "node:timers/promises";
import { readableAttachment } from "../attachments/attachment-queries.ts";
import type { Ctx, Services, ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { isAway } from "../db/unavailable.ts";
import { type Connection, decodeCursor } from "../graphql/connection.ts";
import { encodeId } from "../graphql/node-id.ts";
import type { Action, Event } from "../ledger/event.ts";
import { type Bus, topicOfMailbox } from "../ledger/bus.ts";
import { findHeldMailbox, stillHeld } from "../mailboxes/mailbox-queries.ts";
import { feedCursor, type Mailbox } from "../mailboxes/mailbox.ts";
import { notFound, ProblemCode, refuse, withinLimit } from "../problem.ts";
import { copyOfMessage, ownCopyById } from "./copy-queries.ts";
import { Folder } from "./copy.ts";
import { AttachmentChanged, type MailboxEvent, MessageChanged, MessageExpiring, MessageReceived, MessageRemoved, RefetchRequired } from "./mailbox-event.ts";

const BATCH = 100;
const RETRY_MS = 1000;
/** What a slow reader has not taken by then is read again: rights and expiry are those of the moment. */
const FRESH_MS = 1000;

/** Which ledger actions a mailbox's feed shows, and as what. All others are audit only. */
const shownAs: Partial<Record<Action, "received" | "changed" | "expiring" | "removed" | "attachment">> = {
  "message.sent": "received",
  "message.received": "received",
  "message.opened": "changed",
  "message.marked-read": "changed",
  "message.marked-unread": "changed",
  "message.flagged": "changed",
  "message.unflagged": "changed",
  "message.moved": "changed",
  "delivery.notified": "changed",
  "delivery.failed": "changed",
  "delivery.opened": "changed",
  "message.held": "changed",
  "message.released": "changed",
  "message.expiring": "expiring",
  "attachment.uploaded": "attachment",
  "attachment.scanning": "attachment",
  "attachment.cleared": "attachment",
  "attachment.rejected": "attachment",
  "attachment.held": "attachment",
  "message.deleted": "removed",
  "message.expired": "removed",
};

/** A stretch of a mailbox's feed, and where the next one begins. */
interface Stretch {
  readonly events: MailboxEvent[];
  readonly nextSequence: number;
  readonly hasMore: boolean;
}

/** A page of what changed in a mailbox after a cursor, oldest first: the feed for apps that sync by asking. */
export async function changesPage(ctx: ViewerCtx, mailbox: Mailbox, after: string, first: number): Promise<Connection<MailboxEvent>> {
  if (first < 1) refuse(ProblemCode.INVALID_INPUT, "A page has at least one entry.", { field: "first" });
  withinLimit(first, ctx.config.limits.maxPageSize, "first", "Entries of a page");
  const { events, nextSequence, hasMore } = await readFeed(ctx, mailbox, sequenceOf(after), first);
  const edges = events.map((node) => ({ cursor: node.cursor, node }));
  return { edges, pageInfo: { hasNextPage: hasMore, hasPreviousPage: false, startCursor: edges[0]?.cursor ?? null, endCursor: feedCursor(nextSequence) } };
}

/** A place in a mailbox's feed that the viewer may follow from: the cursor's, or now. Refuses what is not theirs. */
export async function startOfFollowing(ctx: ViewerCtx, mailboxId: string, after: string | null): Promise<number> {
  const mailbox = (await findHeldMailbox(ctx, mailboxId)) ?? notFound("mailboxId");
  return after === null ? mailbox.lastSequence : sequenceOf(after);
}

/**
 * What changes in a mailbox after a sequence, for as long as the viewer holds it. Signals only wake it: it reads the
 * ledger after the sequence it has seen, so nothing is lost, doubled or out of order, and it reads on only when the
 * last batch was taken, so a slow reader holds one batch and never a queue. While the database is away it waits.
 */
export async function* followMailbox(freshCtx: () => ViewerCtx, mailboxId: string, after: number, stop: AbortSignal): AsyncGenerator<MailboxEvent> {
  const { bus, viewer } = freshCtx();
  let moved = Promise.withResolvers<void>();
  const wake = (): void => moved.resolve();
  const stopListening = bus.listen(topicOfMailbox(mailboxId), wake);
  const stopFollowing = follow(bus, { accountId: viewer.accountId, mailboxId, wake });
  stop.addEventListener("abort", wake, { once: true });
  try {
    for (let sequence = after; !stop.aborted;) {
      moved = Promise.withResolvers<void>();
      const stretch = await readAsHolder(freshCtx(), mailboxId, sequence);
      if (stretch === "lost") return;
      if (stretch === "away") {
        await Promise.race([moved.promise, setTimeout(RETRY_MS, undefined, { ref: false })]);
        continue;
      }
      const readAt = performance.now();
      let { nextSequence, hasMore } = stretch;
      for (const event of stretch.events) {
        yield event;
        if (performance.now() - readAt < FRESH_MS) continue;
        [nextSequence, hasMore] = [sequenceOf(event.cursor), true];
        break;
      }
      sequence = nextSequence;
      if (!hasMore && !stop.aborted) await moved.promise;
    }
  } finally {
    stopListening();
    stopFollowing();
  }
}

/** Wakes every follower in this process who has lost the mailbox, so that it ends; asked every second or two. */
export async function recheckFollowers(services: Services): Promise<void> {
  const following = [...(followers.get(services.bus) ?? [])];
  if (following.length === 0) return;
  const held = await stillHeld(services, following);
  for (const { accountId, mailboxId, wake } of following) if (!held.has(`${accountId} ${mailboxId}`)) wake();
}

interface Follower {
  readonly accountId: string;
  readonly mailboxId: string;
  readonly wake: () => void;
}

const followers = new WeakMap<Bus, Set<Follower>>();

function follow(bus: Bus, follower: Follower): () => void {
  const following = followers.get(bus) ?? new Set();
  followers.set(bus, following.add(follower));
  return () => void following.delete(follower);
}

async function readAsHolder(ctx: ViewerCtx, mailboxId: string, after: number): Promise<Stretch | "lost" | "away"> {
  try {
    const mailbox = await findHeldMailbox(ctx, mailboxId);
    return mailbox === undefined ? "lost" : await readFeed(ctx, mailbox, after, BATCH);
  } catch (error) {
    if (isAway(error)) return "away";
    throw error;
  }
}

async function readFeed(ctx: ViewerCtx, mailbox: Mailbox, after: number, size: number): Promise<Stretch> {
  if (after === mailbox.lastSequence) return { events: [], nextSequence: after, hasMore: false };
  if (after > mailbox.lastSequence || mailbox.lastSequence - after > ctx.config.limits.maxReplayedEvents) {
    const reason = "This cursor is older than what the feed replays. Fetch the mailbox again and go on from here.";
    return { events: [eventOf(new RefetchRequired(), mailbox, mailbox.lastSequence, { reason })], nextSequence: mailbox.lastSequence, hasMore: false };
  }
  const rows = await ctx.db.run(eventsBetween, [mailbox.uuid, after, mailbox.lastSequence, Object.keys(shownAs), size + 1]);
  const shown = rows.slice(0, size);
  const hasMore = rows.length > size;
  const events = await Promise.all(shown.map((row) => toEvent(ctx, mailbox, row)));
  const nextSequence = hasMore ? (shown.at(-1)?.sequence ?? after) : mailbox.lastSequence;
  return { events: events.filter((event) => event !== null), nextSequence, hasMore };
}

/** The event as the viewer may see it now; null where the message is gone since, which a later event tells. */
async function toEvent(ctx: Ctx, mailbox: Mailbox, { sequence, action, subjectId, code }: EventRow): Promise<MailboxEvent | null> {
  if (shownAs[action] === "removed") return eventOf(new MessageRemoved(), mailbox, sequence, { messageId: encodeId("Message", mailbox.uuid, subjectId) });
  if (shownAs[action] === "attachment") return toAttachmentChanged(ctx, mailbox, sequence, subjectId);
  const message = await ownCopyById.load(ctx, { mailboxId: mailbox.uuid, uuid: subjectId });
  if (message === undefined) return null;
  if (shownAs[action] === "expiring") return eventOf(new MessageExpiring(), mailbox, sequence, { message, daysLeft: Number(code) });
  return eventOf(shownAs[action] === "received" ? new MessageReceived() : new MessageChanged(), mailbox, sequence, { message });
}

async function toAttachmentChanged(ctx: Ctx, mailbox: Mailbox, sequence: number, id: string): Promise<AttachmentChanged | null> {
  const found = await readableAttachment.load(ctx, id);
  if (found === undefined) return null;
  const { attachment } = found;
  const attachedTo = attachment.messageId === null ? null : await copyOfMessage.load(ctx, { mailboxId: mailbox.uuid, uuid: attachment.messageId });
  return attachedTo === undefined ? null : eventOf(new AttachmentChanged(), mailbox, sequence, { attachment, attachedTo });
}

function eventOf<E extends MailboxEvent>(event: E, mailbox: Mailbox, sequence: number, fields: Omit<E, keyof MailboxEvent>): E {
  return Object.assign(event, { cursor: feedCursor(sequence), unreadCount: mailbox.unreadCount }, fields);
}

function sequenceOf(cursor: string): number {
  return Number(decodeCursor("feed", cursor, "after", /^\d{1,15}$/)[0]);
}

/** Whether an event tells of mail that came in. */
export function isIncoming(event: MailboxEvent): event is MessageReceived {
  return event instanceof MessageReceived && event.message.folder === Folder.INBOX;
}

type EventRow = Pick<Event, "sequence" | "action" | "code"> & { subjectId: string };

// Up to what the mailbox was read at: its unread count is that of the last of these events, and of none after it.
const eventsBetween = statement<EventRow>(
  "events-between",
  `select sequence, action, subject_id as "subjectId", code from events
   where mailbox_id = $1 and sequence > $2 and sequence <= $3 and action = any ($4::text[]) order by sequence limit $5`,
);
