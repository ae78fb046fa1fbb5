import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { type Connection, connection, type ConnectionArgs, decodeCursor, encodeCursor, pageRequest } from "../graphql/connection.ts";
import { encodeId } from "../graphql/node-id.ts";
import { timeOf } from "../ids.ts";
import type { Event } from "../ledger/event.ts";
import { type Mailbox, nameOfMailbox } from "../mailboxes/mailbox.ts";
import { Tombstone, TombstoneReason } from "./tombstone.ts";

const CURSOR_FORM = /^\d{1,15}$/;

/** A page of what is gone from a mailbox, last gone first: one range of the ledger. The mailbox was loaded through the viewer. */
export async function tombstonePage(ctx: ViewerCtx, mailbox: Mailbox, args: ConnectionArgs): Promise<Connection<Tombstone>> {
  const page = pageRequest(args, ctx.config.limits);
  const [after, before] = (["after", "before"] as const).map((end) => page[end] && decodeCursor("tombstone", page[end], end, CURSOR_FORM)[0]);
  const rows = await ctx.db.run(page.backwards ? tombstonesBackwards : tombstonesForwards, [mailbox.uuid, after, before, page.size + 1]);
  const directory = await ctx.dataKeys.directory();
  const tombstones = rows.map(({ sequence, at, action, code, subjectId, wasSent, openedAt, ...counterpart }) =>
    Object.assign(new Tombstone(), {
      sequence,
      messageId: encodeId("Message", mailbox.uuid, subjectId),
      counterpart: { displayName: nameOfMailbox(directory, counterpart), address: counterpart.address },
      wasSent,
      sentAt: timeOf(subjectId),
      openedAt,
      goneAt: at,
      reason: reasonOf(action, code),
    }),
  );
  return connection(tombstones, page, ({ sequence }) => encodeCursor("tombstone", sequence));
}

function reasonOf(action: Event["action"], code: string | null): TombstoneReason {
  if (action === "message.deleted") return TombstoneReason.DELETED;
  return code === TombstoneReason.HOLD_ENDED ? TombstoneReason.HOLD_ENDED : TombstoneReason.EXPIRED;
}

type TombstoneRow = Pick<Event, "sequence" | "at" | "action" | "code" | "openedAt"> &
  Pick<Mailbox, "uuid" | "address" | "name"> & { subjectId: string; wasSent: boolean };

const tombstones = (direction: "asc" | "desc"): string =>
  `select e.sequence, e.at, e.action, e.code, e.subject_id as "subjectId", e.was_sent as "wasSent", e.opened_at as "openedAt", m.id as uuid, m.address, m.name
   from events e join mailboxes m on m.id = e.counterpart_id
   where e.mailbox_id = $1 and e.counterpart_id is not null
     and ($2::bigint is null or e.sequence < $2) and ($3::bigint is null or e.sequence > $3)
   order by e.sequence ${direction} limit $4`;

const tombstonesForwards = statement<TombstoneRow>("tombstones-forwards", tombstones("desc"));
const tombstonesBackwards = statement<TombstoneRow>("tombstones-backwards", tombstones("asc"));
