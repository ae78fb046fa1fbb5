import { DAY, before } from "../clock.ts";
import { type Ctx, Loader, type Services, type ViewerCtx } from "../context.ts";
import { poolOf, statement } from "../db/database.ts";
import { firstIdAt } from "../ids.ts";
import { RETENTION_DAYS } from "../limits.ts";
import { Mailbox } from "./mailbox.ts";

type MailboxRow = Pick<Mailbox, "uuid" | "address" | "kind" | "name" | "lastSequence" | "unreadCount" | "role">;

/** The mailboxes the viewer holds, own ones first, then teams by name. */
export async function heldMailboxes(ctx: ViewerCtx): Promise<Mailbox[]> {
  const rows = await ctx.db.run(mailboxesOfAccount, [ctx.viewer.accountId, ...instants(ctx)]);
  const mailboxes = await toMailboxes(ctx, rows);
  return mailboxes.sort((a, b) => a.kind.localeCompare(b.kind) || a.displayName.localeCompare(b.displayName) || a.uuid.localeCompare(b.uuid));
}

/** One mailbox, loaded through the viewer: undefined if they do not hold it. */
export function findHeldMailbox(ctx: ViewerCtx, mailboxId: string): Promise<Mailbox | undefined> {
  return heldMailboxByKey.load(ctx, mailboxId);
}

/** Which of these pairs of account and mailbox still hold; asked every second for mailboxes with a live subscription. */
export async function stillHeld(services: Services, pairs: { accountId: string; mailboxId: string }[]): Promise<Set<string>> {
  const values = [pairs.map(({ accountId }) => accountId), pairs.map(({ mailboxId }) => mailboxId), services.clock.now()];
  const { rows } = await poolOf(services.dataSource).query<{ pair: string }>({ ...heldPairs, values });
  return new Set(rows.map(({ pair }) => pair));
}

const heldMailboxByKey = new Loader<string, Mailbox | undefined>(async (ctx, ids) => {
  if (ctx.viewer === null) return ids.map(() => undefined);
  const rows = await ctx.db.run(heldMailboxesById, [ctx.viewer.accountId, ...instants(ctx), ids]);
  const found = new Map((await toMailboxes(ctx, rows)).map((mailbox) => [mailbox.uuid, mailbox]));
  return ids.map((id) => found.get(id));
});

async function toMailboxes(ctx: Ctx, rows: readonly MailboxRow[]): Promise<Mailbox[]> {
  const directory = await ctx.dataKeys.directory();
  return rows.map((row) => Object.assign(new Mailbox(), row, { directory }));
}

/** Now, and the least id a copy can have that has not expired: older unread ones are not counted, swept or not. */
function instants(ctx: Ctx): [Date, string] {
  const now = ctx.clock.now();
  return [now, firstIdAt(before(now, RETENTION_DAYS * DAY - 1))];
}

const columns = `m.id as uuid, m.address, m.kind, m.name, m.last_sequence as "lastSequence", h.role,
  m.unread_count - (select count(*)::int from copies c where c.mailbox_id = m.id and c.folder = 'INBOX' and c.id < $3 and c.expires_at <= $2 and c.read_at is null) as "unreadCount"`;
const held = "from mailbox_holders h join mailboxes m on m.id = h.mailbox_id where h.account_id = $1 and (h.ends_at is null or h.ends_at > $2)";

const mailboxesOfAccount = statement<MailboxRow>("mailboxes-of-account", `select ${columns} ${held}`);
const heldMailboxesById = statement<MailboxRow>("held-mailboxes", `select ${columns} ${held} and h.mailbox_id = any ($4::uuid[])`);

const heldPairs = statement<{ pair: string }>(
  "holders-still-held",
  `select h.account_id || ' ' || h.mailbox_id as pair from unnest($1::uuid[], $2::uuid[]) as wanted (account_id, mailbox_id)
   join mailbox_holders h using (account_id, mailbox_id) where h.ends_at is null or h.ends_at > $3`,
);
