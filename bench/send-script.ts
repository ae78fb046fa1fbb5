import { expiryOf } from "../src/messages/message.ts";
import type { DataKey } from "../src/vault/seal.ts";
import { accountKey, CLERK_HOLDS, mailboxKey, type Size } from "./world.ts";

/** What varies from one transaction to the next: numbers of mailboxes, and one that makes fresh ids. */
export const VARIABLES = ["sender", "receiver", "n"] as const;

/**
 * What a send writes, as the server writes it: claim the idempotency key; message, recipient and two copies; lock both
 * mailboxes and append two events and what
 * is to follow from the sending; keep the result. The server's reads between them are left out. Variables are `:name`.
 */
export function writesOfSend({ mailboxes }: Size, sentAt: Date, key: DataKey, subject: string, text: string): string[] {
  const at = `to_timestamp(${sentAt.getTime() / 1000})`;
  const hex = sentAt.getTime().toString(16).padStart(12, "0");
  const numbered = (key: string, name: string): string => `('${key.slice(0, 24)}' || lpad(to_hex(:${name}::bigint), 12, '0'))::uuid`;
  const id = (use: number): string => numbered(`${hex.slice(0, 8)}-${hex.slice(8)}-700${use}-8000-`, "n");
  const [message, thread, sentCopy, inboxCopy, sentEvent, receivedEvent] = [id(1), id(2), id(3), id(4), id(5), id(6)];
  const [sender, receiver] = [numbered(mailboxKey(0), "sender"), numbered(mailboxKey(0), "receiver")];
  const clerk = `'${accountKey(mailboxes)}'::uuid`;
  const bytes = (value: object, field: "header" | "body"): string => `'\\x${key.seal({ id: mailboxKey(0), field }, value).toString("hex")}'::bytea`;
  const header = bytes(
    { subject, preview: text.slice(0, 140), from: { displayName: "Person employee-1@insurer.example", address: "employee-1@insurer.example" } },
    "header",
  );
  const expires = `to_timestamp(${expiryOf(sentAt).getTime() / 1000})`;
  return [
    `insert into idempotency_keys as known (account_id, key, operation, input_hash, created_at)
     values (${clerk}, :n::bigint::text, 'sendMessage', '\\x${"00".repeat(32)}', ${at})
     on conflict (account_id, key) do update set operation = excluded.operation, input_hash = excluded.input_hash, created_at = excluded.created_at
     where known.created_at <= ${at} - interval '1 day' returning key`,
    `with message as (
       insert into messages (id, thread_id, author_id, from_mailbox_id, priority, sent_at, expires_at, body)
       values (${message}, ${thread}, ${clerk}, ${sender}, 1, ${at}, ${expires}, ${bytes({ text, html: null }, "body")})
     ), recipient as (
       insert into recipients (message_id, n, kind, address, mailbox_id, route, status, updated_at, notice_at)
       values (${message}, 1, 'TO', 'employee-1@insurer.example', ${receiver}, 'PORTAL', 'SENT', ${at}, ${at})
     )
     insert into copies (mailbox_id, id, message_id, thread_id, from_mailbox_id, folder, priority, attachment_count, opened_at, read_at, sent_at, expires_at, header)
     values (${sender}, ${sentCopy}, ${message}, ${thread}, ${sender}, 'SENT', 1, 0, ${at}, ${at}, ${at}, ${expires}, ${header}),
            (${receiver}, ${inboxCopy}, ${message}, ${thread}, ${sender}, 'INBOX', 1, 0, null, null, ${at}, ${expires}, ${header})`,
    `with happening (mailbox_id, id, action, subject_id, unread, n) as (
       values (${sender}, ${sentEvent}, 'message.sent', ${sentCopy}, 0, 1), (${receiver}, ${receivedEvent}, 'message.received', ${inboxCopy}, 1, 2)
     ), stream as (
       select mailbox_id, count(*) as events, sum(unread)::int as unread from happening group by mailbox_id
     ), locked as (
       select id from mailboxes where id in (select mailbox_id from stream) order by id for no key update
     ), moved as (
       update mailboxes m set last_sequence = m.last_sequence + s.events, unread_count = m.unread_count + s.unread
       from stream s join locked l on l.id = s.mailbox_id where m.id = l.id returning m.id, m.last_sequence - s.events as last_sequence
     ), followed as (
       insert into outbox (event_id, action, mailbox_id, subject_id, message_id)
       select id, action, mailbox_id, subject_id, ${message} from happening where action = 'message.sent'
     )
     insert into events (mailbox_id, sequence, id, at, action, actor_id, subject_id, message_id)
     select h.mailbox_id, m.last_sequence + row_number() over (partition by h.mailbox_id order by h.n), h.id, ${at}, h.action, ${clerk}, h.subject_id, ${message}
     from happening h join moved m on m.id = h.mailbox_id`,
    `update idempotency_keys set mailbox_id = ${sender}, copy_id = ${sentCopy} where account_id = ${clerk} and key = :n::bigint::text`,
  ];
}

/** The same as a script for pgbench. */
export function pgbenchScript({ mailboxes }: Size, writes: readonly string[]): string {
  return [
    `\\set sender random(0, ${CLERK_HOLDS - 1}) * ${Math.floor(mailboxes / CLERK_HOLDS)}`,
    `\\set receiver random(0, ${mailboxes - 1})`,
    `\\set n random(0, ${2 ** 48 - 1})`,
    ...["begin", ...writes, "commit"].map((write) => `${write};`),
    "",
  ].join("\n");
}
