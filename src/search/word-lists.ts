import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { Pauses } from "./pauses.ts";

/** A copy and the open list of its words. */
export interface ListedCopy {
  readonly id: string;
  readonly list: Buffer;
}

/** Which copies: from one id, included, to another, excluded. */
export interface IdRange {
  readonly from: string;
  readonly to: string;
}

const AT_ONCE = 200;

/** The word lists of a mailbox's live copies, newest first, some at a time. */
export async function* wordLists(ctx: Ctx, mailboxId: string, { from, to }: IdRange): AsyncGenerator<ListedCopy[]> {
  const pauses = new Pauses();
  for (let before = to; from < before;) {
    const rows = await ctx.db.run(listsOfMailbox, [mailboxId, from, before, ctx.clock.now(), AT_ONCE]);
    const opener = await ctx.dataKeys.forSealed(rows.map(({ sealed }) => sealed));
    const copies: ListedCopy[] = [];
    for (const { id, messageId, sealed } of rows) {
      copies.push({ id, list: opener.openBytes({ id: messageId, field: "words" }, sealed) });
      await pauses.after(sealed.length);
    }
    yield copies;
    const last = rows.at(-1);
    if (last === undefined || rows.length < AT_ONCE) return;
    before = last.id;
  }
}

const listsOfMailbox = statement<{ id: string; messageId: string; sealed: Buffer }>(
  "search-word-lists",
  `select c.id, c.message_id as "messageId", w.sealed from copies c join search_words w on w.message_id = c.message_id
   where c.mailbox_id = $1 and c.id >= $2 and c.id < $3 and c.expires_at > $4 order by c.id desc limit $5`,
);
