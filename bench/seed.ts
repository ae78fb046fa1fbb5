import { Client } from "pg";
import { AccountKind } from "../src/accounts/account.ts";
import { after, before, DAY, dayOf } from "../src/clock.ts";
import { newId } from "../src/ids.ts";
import { HolderRole } from "../src/mailboxes/mailbox-holder.ts";
import { MailboxKind } from "../src/mailboxes/mailbox.ts";
import type { CopyHeader } from "../src/messages/copy.ts";
import { previewOf } from "../src/messages/message-body.ts";
import { expiryOf } from "../src/messages/message.ts";
import type { DataKey } from "../src/vault/seal.ts";
import { openDataKeys } from "./keys.ts";
import { chance, prose } from "./prose.ts";
import { accountKey, addressOf, heldByClerk, isEmployee, mailboxKey, type Size } from "./world.ts";

const BATCH = 5000;
const WRITERS = 2;
const OLDEST_DAYS = 179;

/**
 * Fills a migrated, empty database: every message goes from one mailbox to another, so it has two copies, one
 * recipient and two events. Keys and indexes are made after the load. `now` is the instant up to which they were sent.
 */
export async function seed(url: string, { messages, mailboxes }: Size, now: Date, tell: (line: string) => void): Promise<void> {
  const client = await connect(url);
  const dataKeys = await openDataKeys(url, { now: () => now });
  const writers = await Promise.all(Array.from({ length: WRITERS }, () => connect(url)));
  try {
    await openMailboxes(client, await dataKeys.directory(), mailboxes, now);
    const keys = await takeKeysOff(client);
    const days = await Promise.all(Array.from({ length: OLDEST_DAYS + 1 }, (_, n) => dataKeys.ofDay(before(now, n * DAY))));
    const keyOfDay = new Map(days.map((key) => [key.id, key]));
    const batches = Array.from({ length: Math.ceil(messages / BATCH) }, (_, n) => n);
    const began = performance.now();
    const write = async (writer: Client): Promise<void> => {
      for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
        const first = batch * BATCH;
        await writer.query({
          name: "batch",
          text: insertBatch,
          values: columnsOf(first, Math.min(first + BATCH, messages), { messages, mailboxes }, keyOfDay, now),
        });
        if (batch % 20 === 19) tell(`${(first + BATCH).toLocaleString("en")} messages after ${seconds(began)} s`);
      }
    };
    await Promise.all(writers.map(write));
    tell(`all messages after ${seconds(began)} s; now events, keys and indexes`);
    await client.query(insertEvents);
    for (const key of keys) await client.query(key);
    await client.query(countUp);
    await client.query("vacuum (analyze)");
    await client.query("checkpoint");
    tell(`done after ${seconds(began)} s`);
  } finally {
    await Promise.all([dataKeys.close(), ...[client, ...writers].map((connection) => connection.end())]);
  }
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(0);
}

async function connect(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString, options: "-c timezone=UTC -c maintenance_work_mem=256MB -c work_mem=256MB" });
  await client.connect();
  return client;
}

async function openMailboxes(client: Client, directory: DataKey, mailboxes: number, now: Date): Promise<void> {
  const everybody = Array.from({ length: mailboxes + 1 }, (_, n) => n);
  const nameFor = (id: string, n: number): Buffer => directory.seal({ id, field: "name" }, `Person ${addressOf(n)}`);
  await client.query(
    `insert into accounts (id, user_id, password_hash, kind, name, address, created_at)
     select id, address, 'none: nobody signs in here', kind, name, address, $5 from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) as a (id, address, kind, name)`,
    [
      everybody.map(accountKey),
      everybody.map(addressOf),
      everybody.map((n) => (n === mailboxes || isEmployee(n) ? AccountKind.EMPLOYEE : AccountKind.MEMBER)),
      everybody.map((n) => nameFor(accountKey(n), n)),
      before(now, OLDEST_DAYS * DAY),
    ],
  );
  await client.query(
    `insert into mailboxes (id, address, kind, name, created_at)
     select id, address, $4, name, $5 from unnest($1::uuid[], $2::text[], $3::bytea[]) as m (id, address, name)`,
    [everybody.map(mailboxKey), everybody.map(addressOf), everybody.map((n) => nameFor(mailboxKey(n), n)), MailboxKind.PERSON, before(now, OLDEST_DAYS * DAY)],
  );
  const held = heldByClerk({ messages: 0, mailboxes });
  await client.query(
    `insert into mailbox_holders (mailbox_id, account_id, role, created_at)
     select mailbox_id, account_id, role, $4 from unnest($1::uuid[], $2::uuid[], $3::text[]) as h (mailbox_id, account_id, role)`,
    [
      [...everybody, ...held].map(mailboxKey),
      [...everybody, ...held.map(() => mailboxes)].map(accountKey),
      [...everybody.map(() => HolderRole.OWNER), ...held.map(() => HolderRole.WRITER)],
      now,
    ],
  );
}

const loaded = ["messages", "recipients", "copies", "events"];

/** Drops the keys and indexes of the tables to be loaded and returns the statements that make them again. */
async function takeKeysOff(client: Client): Promise<string[]> {
  const keys = await client.query<{ taken: string; made: string }>(
    `select format('alter table %s drop constraint %I', conrelid::regclass, conname) as taken,
            format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as made
     from pg_constraint where contype = 'p' and conrelid = any ($1::regclass[])`,
    [loaded],
  );
  const indexes = await client.query<{ taken: string; made: string }>(
    `select format('drop index %s', indexrelid::regclass) as taken, pg_get_indexdef(indexrelid) as made
     from pg_index where not indisprimary and indrelid = any ($1::regclass[])`,
    [loaded],
  );
  const all = [...keys.rows, ...indexes.rows];
  for (const { taken } of all) await client.query(taken);
  return all.map(({ made }) => made);
}

/** The messages from one number up to another, oldest first, as columns of `insertBatch`. Files are only counted: a list row shows no more of them. */
function columnsOf(from: number, to: number, { messages, mailboxes }: Size, keyOfDay: ReadonlyMap<string, DataKey>, now: Date): unknown[][] {
  const random = chance(from);
  const oldest = before(now, OLDEST_DAYS * DAY);
  const rows = Array.from({ length: to - from }, (_, n) => {
    const age = (from + n) / messages;
    const sentAt = after(oldest, Math.floor(age * OLDEST_DAYS * DAY));
    const id = newId(sentAt);
    const key = keyOfDay.get(`day/${dayOf(sentAt)}`);
    if (key === undefined) throw new Error("A day has no key");
    const sender = random(mailboxes);
    const receiver = (sender + 1 + random(mailboxes - 1)) % mailboxes;
    const text = prose(random, 40 + random(100));
    const body = { text, html: random(3) === 0 ? `<p>${text.replaceAll("\n", "<br>")}</p>` : null };
    const address = addressOf(sender);
    const header: CopyHeader = {
      subject: prose(random, 2 + random(6)).slice(5, -1),
      preview: previewOf(body),
      from: { displayName: `Person ${address}`, address },
    };
    const isRead = age < 0.9 ? random(20) > 0 : random(2) === 0;
    return [
      id,
      newId(sentAt),
      accountKey(sender),
      mailboxKey(sender),
      random(10) === 0 ? 2 + random(2) : 1,
      sentAt,
      expiryOf(sentAt),
      key.seal({ id, field: "body" }, body),
      addressOf(receiver),
      mailboxKey(receiver),
      newId(sentAt),
      newId(sentAt),
      isRead ? after(sentAt, random(DAY)) : null,
      random(30) === 0 ? sentAt : null,
      random(6) === 0 ? 1 + random(3) : 0,
      key.seal({ id, field: "header" }, header),
    ];
  });
  return (rows[0] ?? []).map((_, column) => rows.map((row) => row[column]));
}

const insertBatch = `with message as materialized (
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::smallint[], $6::timestamptz[], $7::timestamptz[], $8::bytea[], $9::text[], $10::uuid[],
                         $11::uuid[], $12::uuid[], $13::timestamptz[], $14::timestamptz[], $15::smallint[], $16::bytea[])
      as m (id, thread_id, author_id, from_mailbox_id, priority, sent_at, expires_at, body, address, mailbox_id,
            sent_copy_id, inbox_copy_id, read_at, flagged_at, attachment_count, header)
  ), written as (
    insert into messages (id, thread_id, author_id, from_mailbox_id, priority, sent_at, expires_at, body)
    select id, thread_id, author_id, from_mailbox_id, priority, sent_at, expires_at, body from message
  ), recipient as (
    insert into recipients (message_id, n, kind, address, mailbox_id, route, status, updated_at)
    select id, 1, 'TO', address, mailbox_id, 'PORTAL', case when read_at is null then 'DELIVERED' else 'OPENED' end, coalesce(read_at, sent_at) from message
  )
  insert into copies (mailbox_id, id, message_id, thread_id, from_mailbox_id, folder, priority, attachment_count, opened_at, read_at, flagged_at, sent_at, expires_at, header)
  select from_mailbox_id, sent_copy_id, id, thread_id, from_mailbox_id, 'SENT', priority, attachment_count, sent_at, sent_at, null, sent_at, expires_at, header from message
  union all
  select mailbox_id, inbox_copy_id, id, thread_id, from_mailbox_id, 'INBOX', priority, attachment_count, read_at, read_at, flagged_at, sent_at, expires_at, header from message`;

const insertEvents = `insert into events (mailbox_id, sequence, id, at, action, actor_id, subject_id, message_id)
  select c.mailbox_id, row_number() over (partition by c.mailbox_id order by c.id), gen_random_uuid(), c.sent_at,
         case c.folder when 'SENT' then 'message.sent' else 'message.received' end, m.author_id, c.id, c.message_id
  from copies c join messages m on m.id = c.message_id`;

const countUp = `update mailboxes m set last_sequence = c.events, unread_count = c.unread
  from (select mailbox_id, count(*) as events, count(*) filter (where folder = 'INBOX' and read_at is null) as unread from copies group by mailbox_id) c
  where c.mailbox_id = m.id`;
