import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import type { OwnedId } from "../graphql/node-id.ts";
import type { Action } from "../ledger/event.ts";
import { type Happening, record } from "../ledger/record.ts";
import { findHeldMailbox } from "../mailboxes/mailbox-queries.ts";
import { mustWrite } from "../mailboxes/mailbox-policy.ts";
import { notFound, ProblemCode, refuse, withinLimit } from "../problem.ts";
import { markDaysStale } from "../words/stale-days.ts";
import type { Copy } from "./copy.ts";
import { Folder } from "./copy.ts";
import { findOwnCopies } from "./copy-queries.ts";
import { type GoneCopy, goneColumns, goneHappening } from "./gone-copy.ts";
import { mustHold, whyNotDelete } from "./message-policy.ts";

// Six operations of one kind: up to 100 copies at once, all or nothing, and what is so already stays as it is.

/** Marks copies as read. */
export function markRead(ctx: ViewerCtx, ids: readonly OwnedId[]): Promise<Copy[]> {
  return change(ctx, ids, "message.marked-read", ({ readAt }, now) => ({ readAt: readAt ?? now }));
}

/** Marks copies as unread; when they were first opened stays known. */
export function markUnread(ctx: ViewerCtx, ids: readonly OwnedId[]): Promise<Copy[]> {
  return change(ctx, ids, "message.marked-unread", () => ({ readAt: null }));
}

/** Puts a flag on copies. */
export function flag(ctx: ViewerCtx, ids: readonly OwnedId[]): Promise<Copy[]> {
  return change(ctx, ids, "message.flagged", ({ flaggedAt }, now) => ({ flaggedAt: flaggedAt ?? now }));
}

/** Takes the flag off copies. */
export function unflag(ctx: ViewerCtx, ids: readonly OwnedId[]): Promise<Copy[]> {
  return change(ctx, ids, "message.unflagged", () => ({ flaggedAt: null }));
}

/** Moves copies to a folder. SENT takes only what was sent from its mailbox. */
export function moveToFolder(ctx: ViewerCtx, ids: readonly OwnedId[], folder: Folder): Promise<Copy[]> {
  return change(ctx, ids, "message.moved", ({ fromMailboxId, mailboxId }) => {
    if (folder === Folder.SENT && fromMailboxId !== mailboxId) {
      refuse(ProblemCode.INVALID_INPUT, "Only what was sent from a mailbox can lie in its SENT folder.", { field: "folder" });
    }
    return { folder };
  });
}

/** Deletes copies for good from their mailboxes; others keep theirs. Refuses what a hold keeps. */
export function deleteMessages(ctx: ViewerCtx, ids: readonly OwnedId[]): Promise<Copy[]> {
  return change(ctx, ids, "message.deleted", (copy, now) => {
    mustHold(whyNotDelete(copy, now, ctx.config.organisation));
    return null;
  });
}

/** What a holder may change about a copy. */
type State = Pick<Copy, "folder" | "readAt" | "flaggedAt">;

/** Brings copies into the state that `next` makes of each, or removes those for which it is null, and records it. */
async function change(ctx: ViewerCtx, ids: readonly OwnedId[], action: Action, next: (copy: Copy, now: Date) => Partial<State> | null): Promise<Copy[]> {
  if (ids.length === 0) refuse(ProblemCode.INVALID_INPUT, "Name at least one message.", { field: "messageIds" });
  withinLimit(ids.length, ctx.config.limits.maxIds, "messageIds", "Messages at once");
  return inTransaction(ctx, async (ctx) => {
    const copies = await findOwnCopies(ctx, ids, "messageIds");
    const mailboxes = await Promise.all(copies.map(({ mailboxId }) => findHeldMailbox(ctx, mailboxId)));
    for (const mailbox of mailboxes) mustWrite((mailbox ?? notFound("messageIds")).role);
    const locked = new Map((await ctx.db.run(lockCopies, keysOf(copies))).map((row) => [row.uuid, row]));
    const now = ctx.clock.now();
    const removed: Copy[] = [];
    const changed: Copy[] = [];
    const happenings: Happening[] = copies.flatMap((copy) => {
      const before = Object.assign(copy, locked.get(copy.uuid) ?? notFound("messageIds"));
      const state = next(before, now);
      if (state === null) removed.push(copy);
      if (state === null || Object.entries(state).every(([name, value]) => Reflect.get(before, name) === value)) return [];
      const unread = unreadWeight({ ...before, ...state }) - unreadWeight(before);
      changed.push(Object.assign(copy, state));
      return { action, mailboxId: copy.mailboxId, subjectId: copy.uuid, messageId: copy.messageId, unread };
    });
    if (removed.length > 0) {
      const gone = await ctx.db.run(removeCopies, keysOf(removed));
      happenings.push(...gone.map(goneHappening));
      await markDaysStale(ctx, removed);
    }
    if (changed.length > 0) {
      await ctx.db.run(updateCopies, [
        ...keysOf(changed),
        changed.map(({ folder }) => folder),
        changed.map(({ readAt }) => readAt),
        changed.map(({ flaggedAt }) => flaggedAt),
      ]);
    }
    await record(ctx, ...happenings);
    return copies;
  });
}

/** What a copy adds to its mailbox's unread count. */
function unreadWeight({ folder, readAt }: Pick<State, "folder" | "readAt">): number {
  return folder === Folder.INBOX && readAt === null ? 1 : 0;
}

function keysOf(copies: readonly Copy[]): [string[], string[]] {
  return [copies.map(({ mailboxId }) => mailboxId), copies.map(({ uuid }) => uuid)];
}

const lockCopies = statement<State & Pick<Copy, "uuid" | "heldUntil">>(
  "copies-lock",
  `select c.id as uuid, c.folder, c.read_at as "readAt", c.flagged_at as "flaggedAt", c.held_until as "heldUntil"
   from copies c join unnest($1::uuid[], $2::uuid[]) as wanted (mailbox_id, id) on c.mailbox_id = wanted.mailbox_id and c.id = wanted.id
   order by c.mailbox_id, c.id for no key update of c`,
);

const updateCopies = statement(
  "copies-update",
  `update copies c set folder = wanted.folder, read_at = wanted.read_at, flagged_at = wanted.flagged_at
   from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[]) as wanted (mailbox_id, id, folder, read_at, flagged_at)
   where c.mailbox_id = wanted.mailbox_id and c.id = wanted.id`,
);

const removeCopies = statement<GoneCopy>(
  "copies-remove",
  `delete from copies c using unnest($1::uuid[], $2::uuid[]) as wanted (mailbox_id, id)
   where c.mailbox_id = wanted.mailbox_id and c.id = wanted.id returning ${goneColumns}`,
);
