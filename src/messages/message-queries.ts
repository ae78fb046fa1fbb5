import { Loader } from "../context.ts";
import { statement } from "../db/database.ts";
import { type Mailbox, nameOfMailbox } from "../mailboxes/mailbox.ts";
import { notFound } from "../problem.ts";
import { MessageBody } from "./message-body.ts";
import { Recipient } from "./recipient.ts";

/** The body of each of these messages. Ask only for messages that the viewer has a copy of and has opened. */
export const bodyOfMessage = new Loader<string, MessageBody>(async (ctx, ids) => {
  const rows = await ctx.db.run(bodies, [ids]);
  const opener = await ctx.dataKeys.forSealed(rows.map(({ body }) => body));
  const found = new Map(rows.map(({ id, body }) => [id, Object.assign(new MessageBody(), opener.open<MessageBody>({ id, field: "body" }, body))]));
  return ids.map((id) => found.get(id) ?? notFound("id"));
});

/** What each of these messages answers; null where it answers nothing. */
export const parentOfMessage = new Loader<string, string | null>(async (ctx, ids) => {
  const rows = await ctx.db.run(parents, [ids]);
  const found = new Map(rows.map(({ id, inReplyTo }) => [id, inReplyTo]));
  return ids.map((id) => found.get(id) ?? null);
});

/** To whom each of these messages is addressed, in order. */
export const recipientsOfMessage = new Loader<string, Recipient[]>(async (ctx, ids) => {
  const groups = new Map<string, Recipient[]>(ids.map((id) => [id, []]));
  const directory = await ctx.dataKeys.directory();
  for (const { name, ...row } of await ctx.db.run(recipients, [ids])) {
    const displayName = nameOfMailbox(directory, { uuid: row.mailboxId, name, address: row.address });
    groups.get(row.messageId)?.push(Object.assign(new Recipient(), row, { displayName }));
  }
  return ids.map((id) => groups.get(id) ?? []);
});

const bodies = statement<{ id: string; body: Buffer }>("bodies", "select id, body from messages where id = any ($1::uuid[])");
const parents = statement<{ id: string; inReplyTo: string | null }>(
  "parents",
  `select id, in_reply_to as "inReplyTo" from messages where id = any ($1::uuid[])`,
);

type RecipientRow = Pick<Recipient, "messageId" | "n" | "kind" | "address" | "mailboxId" | "route" | "status" | "updatedAt"> & Pick<Mailbox, "name">;

const recipients = statement<RecipientRow>(
  "recipients",
  `select r.message_id as "messageId", r.n, r.kind, r.address, m.name, r.mailbox_id as "mailboxId", r.route, r.status, r.updated_at as "updatedAt"
   from recipients r join mailboxes m on m.id = r.mailbox_id where r.message_id = any ($1::uuid[]) order by r.message_id, r.n`,
);
