import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { DAY, MINUTE, SECOND } from "../src/clock.ts";
import { RETENTION_DAYS } from "../src/limits.ts";
import { Child } from "./child.ts";
import { type Database, withClient } from "./database.ts";
import { dataDir } from "./keys.ts";
import { pageOf } from "./inbox.ts";
import type { Answers, commands as LoadGenerator } from "./load.ts";
import type { commands as OurServer } from "./our-server.ts";
import { shown, table } from "./report.ts";
import type { Settings } from "./settings.ts";
import { heldByClerk } from "./world.ts";

const TEMPLATE = "expired";
const RUN = "expiring";
const PAGES_PER_SECOND = 50;
const CONNECTIONS = 4;
const BLOB_BYTES = 1024;

/**
 * Beside the world's live messages puts as many that have expired, with copies, recipients, events, attachments and
 * blobs, lets the real worker sweep them, and reads inbox pages at a steady pace before, while it idles, and meanwhile.
 */
export async function measureExpiry(database: Database, { size, seconds }: Settings): Promise<string> {
  await prepare(database);
  const url = urlOf(database, RUN);
  const now = new Date(Date.now() + database.server.clockOffset);
  const reader = new Child<typeof OurServer>("our-server.ts");
  const worker = new Child<typeof OurServer>("our-server.ts");
  const generator = new Child<typeof LoadGenerator>("load.ts");
  try {
    const port = await reader.call("start", { ...database.server, databaseUrl: url });
    const clerks = heldByClerk(size).map((n) => pageOf(n, size.mailboxes));
    const read = (seconds: number): Promise<Answers> =>
      generator.call("run", { port, connections: CONNECTIONS, seconds, requests: clerks, expected: '{"data":{"mailbox":{', perSecond: PAGES_PER_SECOND });
    await earlyInMinute(); // So that the worker's own schedule leaves it idle until we have read
    await worker.call("start", { ...database.server, databaseUrl: url, part: "worker" });
    await read(2 * seconds);
    const quiet = await read(10 * seconds);

    const before = await withClient(url, (client) => left(client, now));
    const cpuBefore = [await worker.call("cpu"), await database.cpu()];
    const began = performance.now();
    await withClient(url, (client) => client.query("select graphile_worker.add_job('expire-messages')"));
    const pages: Answers[] = [];
    let messagesAfter = 0;
    let rest = before;
    while (rest.messages + rest.blobs > 0) {
      pages.push(await read(seconds));
      rest = await withClient(url, (client) => left(client, now));
      if (rest.messages === 0 && messagesAfter === 0) messagesAfter = (performance.now() - began) / 1000;
    }
    const blobsAfter = (performance.now() - began) / 1000;
    const cpu = [await worker.call("cpu"), await database.cpu()].map((spent, n) => (spent ?? NaN) - (cpuBefore[n] ?? NaN));
    const p50 = Math.max(...pages.map((page) => page.p50));
    const p99 = weighted(pages, ({ p99 }) => p99);
    return table(
      ["what", "figure"],
      [
        ["expired messages, each with two copies, a recipient and its events", before.messages.toLocaleString("en")],
        ["attachments among them, each with a blob", before.attachments.toLocaleString("en")],
        ["messages deleted per second", shown(before.messages / messagesAfter)],
        ["until the last message was gone", shown(messagesAfter, " s")],
        ["until the last blob was gone", shown(blobsAfter, " s")],
        ["CPU of the worker per message", shown((cpu[0] ?? NaN) / before.messages, " µs")],
        ["CPU of PostgreSQL per message, reading included", shown((cpu[1] ?? NaN) / before.messages, " µs")],
        [`inbox p50, quiet, ${PAGES_PER_SECOND} pages a second`, shown(quiet.p50, " ms")],
        ["inbox p50, while it sweeps (worst stretch)", shown(p50, " ms")],
        ["inbox p99, quiet", shown(quiet.p99, " ms")],
        ["inbox p99, while it sweeps", shown(p99, " ms")],
        ["the same, as a ratio", shown(p99 / quiet.p99, " ×")],
      ],
    );
  } finally {
    await Promise.all([reader.end(), worker.end(), generator.end()]);
    await withClient(database.url, (client) => client.query(`drop database if exists ${RUN} with (force)`));
    await rm(path.join(dataDir, "blobs"), { recursive: true, force: true });
  }
}

/** Waits for the next minute where this one is no longer young enough for all that is done before the sweep. */
async function earlyInMinute(): Promise<void> {
  const gone = Date.now() % MINUTE;
  if (gone > MINUTE / 6) await setTimeout(MINUTE - gone + SECOND);
}

/** A figure over several stretches, each by how many pages it had. */
function weighted(pages: readonly Answers[], figure: (page: Answers) => number): number {
  const count = pages.reduce((sum, page) => sum + page.count, 0);
  return pages.reduce((sum, page) => sum + figure(page) * page.count, 0) / count;
}

type Queryable = Parameters<Parameters<typeof withClient>[1]>[0];

async function left(client: Queryable, now: Date): Promise<{ messages: number; attachments: number; blobs: number }> {
  const { rows } = await client.query<{ messages: string; attachments: string; blobs: string }>(
    `select (select count(*) from messages where expires_at <= $1) as messages, (select count(*) from attachments) as attachments,
            (select count(*) from released_blobs) + (select count(*) from outbox) as blobs`,
    [now],
  );
  return { messages: Number(rows[0]?.messages), attachments: Number(rows[0]?.attachments), blobs: Number(rows[0]?.blobs) };
}

/** A database of its own for this run, copied from one that is made once, and the files of its attachments. */
async function prepare(database: Database): Promise<void> {
  const name = new URL(database.url).pathname.slice(1);
  const admin = urlOf(database, "template1");
  const isMade = await withClient(admin, async (client) => (await client.query("select from pg_database where datname = $1", [TEMPLATE])).rowCount === 1);
  if (!isMade) await makeTemplate(database, admin, name);
  await withClient(admin, (client) => client.query(`drop database if exists ${RUN} with (force)`));
  await withClient(admin, (client) => client.query(`create database ${RUN} template ${TEMPLATE} strategy file_copy`));
  await withClient(urlOf(database, RUN), async (client) => {
    const { rows } = await client.query<{ blob_id: string }>("select blob_id from attachments");
    await writeBlobs(rows.map(({ blob_id }) => blob_id));
    await client.query("checkpoint");
  });
}

async function makeTemplate(database: Database, admin: string, name: string): Promise<void> {
  await withClient(admin, (client) => client.query(`create database ${TEMPLATE} template ${name} strategy file_copy`));
  try {
    await withClient(urlOf(database, TEMPLATE), async (client) => {
      await client.query("set max_parallel_workers_per_gather = 0");
      for (const statement of expiredTwins) await client.query(statement);
      await client.query("update expiry_warnings set warned_through = '2100-01-01'"); // Nobody is warned of what is long there
      await client.query("vacuum (analyze)");
    });
    await sealAll(database);
  } catch (error) {
    await withClient(admin, (client) => client.query(`drop database ${TEMPLATE} with (force)`));
    throw error;
  }
}

/** Lets the ledger's seals catch up, as they are everywhere but in a world that was written at one go. */
async function sealAll(database: Database): Promise<void> {
  const server = new Child<typeof OurServer>("our-server.ts");
  try {
    await server.call("start", { ...database.server, databaseUrl: urlOf(database, TEMPLATE) });
    await server.call("seal");
  } finally {
    await server.end();
  }
}

async function writeBlobs(ids: string[]): Promise<void> {
  const bytes = Buffer.alloc(BLOB_BYTES, 7);
  const folder = (id: string): string => path.join(dataDir, "blobs", id.slice(-2));
  await Promise.all([...new Set(ids.map(folder))].map((name) => mkdir(name, { recursive: true })));
  const lane = async (): Promise<void> => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) await writeFile(path.join(folder(id), id), bytes);
  };
  await Promise.all(Array.from({ length: 16 }, lane));
}

function urlOf({ url }: Database, name: string): string {
  const other = new URL(url);
  other.pathname = `/${name}`;
  return other.href;
}

const SHIFT = `interval '${RETENTION_DAYS + 1} days'`;
/** The id of the twin: the same random bits at a time so much earlier. */
const twin = (id: string): string =>
  `(lpad(to_hex(('x' || substr(replace(${id}::text, '-', ''), 1, 12))::bit(48)::bigint - ${(RETENTION_DAYS + 1) * DAY}), 12, '0') || substr(replace(${id}::text, '-', ''), 13))::uuid`;

/** For each message one that is as like it as possible but has expired. Nothing opens it, so what is sealed need not fit. */
const expiredTwins = [
  `insert into attachments (id, blob_id, uploaded_by, message_id, position, size, header, created_at, stored_at)
   select ${twin("id")}, ${twin("id")}, author_id, ${twin("id")}, 1, ${BLOB_BYTES}, substr(body, 1, 200), sent_at - ${SHIFT}, sent_at - ${SHIFT}
   from messages m where exists (select from copies c where c.message_id = m.id and c.attachment_count > 0)`,
  `insert into recipients (message_id, n, kind, address, mailbox_id, route, status, updated_at)
   select ${twin("message_id")}, n, kind, address, mailbox_id, route, status, updated_at - ${SHIFT} from recipients`,
  `insert into copies (mailbox_id, id, message_id, thread_id, from_mailbox_id, folder, priority, attachment_count, opened_at, read_at, flagged_at, sent_at, expires_at, header)
   select mailbox_id, ${twin("id")}, ${twin("message_id")}, ${twin("thread_id")}, from_mailbox_id, folder, priority, attachment_count,
          opened_at - ${SHIFT}, read_at - ${SHIFT}, flagged_at - ${SHIFT}, sent_at - ${SHIFT}, expires_at - ${SHIFT}, header from copies`,
  `insert into messages (id, thread_id, author_id, from_mailbox_id, priority, sent_at, expires_at, body)
   select ${twin("id")}, ${twin("thread_id")}, author_id, from_mailbox_id, priority, sent_at - ${SHIFT}, expires_at - ${SHIFT}, body from messages`,
  `insert into search_words (message_id, sealed) select id, decode(repeat('00', 1058), 'hex') from messages where expires_at <= now()`,
  `update mailboxes m set unread_count = m.unread_count * 2`,
];
