import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { MailboxKind } from "./mailbox.ts";

/** Where mail for an address goes. */
export interface RecipientMailbox {
  readonly id: string;
  readonly address: string;
  readonly kind: MailboxKind;
}

/** The mailbox behind each address, in order. An address that has none yet gets one that waits for its owner. */
export async function mailboxesFor(ctx: Ctx, addresses: readonly string[]): Promise<RecipientMailbox[]> {
  let found = await ctx.db.run(mailboxesByAddress, [addresses]);
  if (found.length < addresses.length) {
    const known = new Set(found.map(({ address }) => address));
    const missing = addresses.filter((address) => !known.has(address)).sort();
    const now = ctx.clock.now();
    await ctx.db.run(addWaitingMailboxes, [missing.map(() => newId(now)), missing, MailboxKind.PERSON, now]);
    found = await ctx.db.run(mailboxesByAddress, [addresses]);
  }
  const byAddress = new Map(found.map((mailbox) => [mailbox.address, mailbox]));
  return addresses.map((address) => {
    const mailbox = byAddress.get(address);
    if (mailbox === undefined) throw new Error("A mailbox is missing that was just made");
    return mailbox;
  });
}

const mailboxesByAddress = statement<RecipientMailbox>("mailboxes-by-address", `select id, address, kind from mailboxes where address = any ($1::text[])`);

const addWaitingMailboxes = statement(
  "mailboxes-add-waiting",
  `insert into mailboxes (id, address, kind, created_at)
   select id, address, $3, $4 from unnest($1::uuid[], $2::text[]) as missing (id, address) on conflict (address) do nothing`,
);
