import { type Ctx, Loader, type ViewerCtx } from "../context.ts";
import { type Statement, statement } from "../db/database.ts";
import { type Connection, connection, type ConnectionArgs, decodeCursor, encodeCursor, pageRequest, UUID_FORM } from "../graphql/connection.ts";
import { Hold, HoldState } from "./hold.ts";
import { mustBeStaff } from "./hold-policy.ts";

type HoldRow = Pick<
  Hold,
  "uuid" | "reason" | "mailboxId" | "copyId" | "messageId" | "threadId" | "note" | "placedById" | "placedAt" | "until" | "endedAt" | "liftedById"
>;

/** A hold that the viewer may see: one they placed, one on something in a mailbox they hold, and any to administrators. */
export async function findHold(ctx: ViewerCtx, uuid: string): Promise<Hold | undefined> {
  const { accountId, isAdministrator, isEmployee } = ctx.viewer;
  if (!isEmployee) return undefined;
  const [row] = await ctx.db.run(visibleHold, [uuid, accountId, isAdministrator, ctx.clock.now()]);
  return row && toHold(row);
}

/** The holds in force on each of these messages, newest first. Only for staff, and for messages they have a copy of. */
export const holdsOfMessage = new Loader<string, Hold[]>(async (ctx, ids) => {
  const groups = new Map<string, Hold[]>(ids.map((id) => [id, []]));
  for (const { heldId, ...row } of await ctx.db.run(holdsOfMessages, [ids, ctx.clock.now()])) groups.get(heldId)?.push(toHold(row));
  return ids.map((id) => groups.get(id) ?? []);
});

/** A page of holds, newest first: all to administrators, to employees those they placed. */
export async function holdPage(ctx: ViewerCtx, state: HoldState | null, args: ConnectionArgs): Promise<Connection<Hold>> {
  mustBeStaff(ctx.viewer);
  const page = pageRequest(args, ctx.config.limits);
  const [after, before] = (["after", "before"] as const).map((end) => page[end] && decodeCursor("hold", page[end], end, UUID_FORM)[0]);
  const { isAdministrator, accountId } = ctx.viewer;
  const values = [after, before, page.size + 1, ...(isAdministrator ? [] : [accountId])];
  const rows = await ctx.db.run(holdsPage(state, isAdministrator, page.backwards), values);
  return connection(rows.map(toHold), page, ({ uuid }) => encodeCursor("hold", uuid));
}

/** The confidential note of a hold; null where there is none any more. */
export async function noteOf(ctx: Ctx, { uuid, note }: Hold): Promise<string | null> {
  if (note === null) return null;
  return (await ctx.dataKeys.forSealed([note])).open<string>({ id: uuid, field: "note" }, note);
}

function toHold(row: HoldRow): Hold {
  return Object.assign(new Hold(), row);
}

const columns = `h.id as uuid, h.reason, h.mailbox_id as "mailboxId", h.copy_id as "copyId", h.message_id as "messageId", h.thread_id as "threadId", h.note,
  h.placed_by as "placedById", h.placed_at as "placedAt", h.until, h.ended_at as "endedAt", h.lifted_by as "liftedById"`;

const held = "join mailbox_holders b on b.mailbox_id = c.mailbox_id and b.account_id = $2 and (b.ends_at is null or b.ends_at > $4)";

const visibleHold = statement<HoldRow>(
  "hold-visible",
  `select ${columns} from holds h where h.id = $1 and ($3 or h.placed_by = $2
     or exists (select from copies c ${held} where c.message_id = h.message_id and c.expires_at > $4)
     or exists (select from mailbox_holders b join copies c on c.mailbox_id = b.mailbox_id and c.thread_id = h.thread_id and c.expires_at > $4
                where b.account_id = $2 and (b.ends_at is null or b.ends_at > $4)))`,
);

const holdsOfMessages = statement<HoldRow & { heldId: string }>(
  "holds-of-messages",
  `select m.id as "heldId", ${columns} from messages m cross join lateral (
     select * from holds where message_id = m.id
     union all
     select * from holds where thread_id = m.thread_id
   ) h
   where m.id = any ($1::uuid[]) and h.ended_at is null and h.until > $2 order by m.id, h.id desc`,
);

const inState = { [HoldState.IN_FORCE]: "h.ended_at is null and", [HoldState.ENDED]: "h.ended_at is not null and" };

/** The statement of a page: twelve shapes, each along one index. */
function holdsPage(state: HoldState | null, all: boolean, backwards: boolean): Statement<HoldRow> {
  return statement(
    `holds-page-${state ?? "any"}-${all ? "all" : "placed"}-${backwards ? "backwards" : "forwards"}`,
    `select ${columns} from holds h where ${state === null ? "" : inState[state]} ${all ? "" : "h.placed_by = $4 and"}
       ($1::uuid is null or h.id < $1) and ($2::uuid is null or h.id > $2) order by h.id ${backwards ? "asc" : "desc"} limit $3`,
  );
}
