import { setTimeout as sleep } from "node:timers/promises";
import { print } from "graphql";
import type { Client } from "pg";
import { InboxDocument, SearchDocument, type SearchQuery } from "../operations/generated/operations.ts";
import { AccountKind } from "../src/accounts/account.ts";
import { after, before, DAY, dayOf } from "../src/clock.ts";
import { migrate } from "../src/data-source.ts";
import { newId } from "../src/ids.ts";
import { HolderRole } from "../src/mailboxes/mailbox-holder.ts";
import { MailboxKind } from "../src/mailboxes/mailbox.ts";
import type { CopyHeader } from "../src/messages/copy.ts";
import { previewOf } from "../src/messages/message-body.ts";
import { expiryOf } from "../src/messages/message.ts";
import type { DataKey } from "../src/vault/seal.ts";
import { listWords } from "../src/words/word-list.ts";
import { Child } from "./child.ts";
import { type Database, openSessions, withClient } from "./database.ts";
import { openDataKeys } from "./keys.ts";
import type { commands as LoadGenerator, Request } from "./load.ts";
import type { commands as OurServer } from "./our-server.ts";
import { type Chance, chance } from "./prose.ts";
import { median, shown, table } from "./report.ts";
import type { Settings } from "./settings.ts";
import { accountKey, addressOf, mailboxId, mailboxKey, tokenOf } from "./world.ts";

const DATABASE = "searchable";
const MOST_COPIES = 100_000;
const OLDEST_DAYS = 179;
const BATCH = 1000;
const FIRST = 25;
/** The n-th account reads what the other one wrote. */
const [READER, WRITER] = [0, 1] as const;

/** Different words of the mailbox; the n-th is written n times more seldom than the first, as in every language (Zipf). */
const VOCABULARY = 30_000;
const RARE = "quetzalcoatlus";
/** How many messages have the rare word: fewer than a page, so that every day must be looked at. */
const RARE_MESSAGES = 20;

const queries = {
  "frequent word": `${wordOf(3)} `,
  "rare word": `${RARE} `,
  "absent word": "nonexistence ",
  "two words, each in a few messages of a hundred": `${wordOf(60)} ${wordOf(80)} `,
  "beginning of rare words": `${RARE.slice(0, 5)}*`,
  "beginning of frequent words": `${wordOf(3).slice(0, 3)}*`,
};

/** Searches one large mailbox for words of each kind beside inbox pages of the same mailbox, and tells what words cost a sender. */
export async function measureSearch(database: Database, { size, seconds, rounds, profileFolder }: Settings): Promise<string> {
  const copies = Math.min(MOST_COPIES, size.messages);
  const url = new URL(database.url);
  url.pathname = `/${DATABASE}`;
  const now = new Date(Date.now() + database.server.clockOffset);
  const prepared = await prepare(database, url.href, copies, now);
  const server = new Child<typeof OurServer>("our-server.ts", profileFolder === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`]);
  const generator = new Child<typeof LoadGenerator>("load.ts");
  try {
    const port = await server.call("start", { ...database.server, databaseUrl: url.href });
    const request = (query: string, variables: object): Request => ({
      token: tokenOf(READER),
      body: JSON.stringify({ query, variables: { mailboxId: mailboxId(READER), first: FIRST, ...variables } }),
    });
    const scenes = [
      { name: "inbox page", request: request(print(InboxDocument), {}) },
      ...Object.entries(queries).map(([name, query]) => ({ name, request: request(print(SearchDocument), { query }) })),
    ];
    const found = await Promise.all(scenes.slice(1).map(({ request }) => countOf(port, request)));
    const measured = scenes.map(() => ({ p50: [] as number[], p99: [] as number[], cpu: [] as number[], block: [] as number[] }));
    for (let round = -1; round < rounds; round += 1) {
      for (const [n, { request }] of scenes.entries()) {
        await server.call("watchLoop");
        const cpu = await server.call("cpu");
        const { count, p50, p99 } = await generator.call("run", { port, connections: 1, seconds, requests: [request], expected: '{"data":{"mailbox":{' });
        if (round < 0) continue; // A first round only warms up
        measured[n]?.p50.push(p50);
        measured[n]?.p99.push(p99);
        measured[n]?.cpu.push(((await server.call("cpu")) - cpu) / count / 1000);
        measured[n]?.block.push(await server.call("longestTurn"));
      }
    }
    const inbox = median(measured[0]?.p50 ?? []);
    const lines = scenes.map(({ name }, n) => {
      const { p50 = [], p99 = [], cpu = [], block = [] } = measured[n] ?? {};
      const hits = n === 0 ? "" : String(found[n - 1]);
      return [name, hits, shown(median(p50)), shown(median(p99)), shown(median(p50) / inbox, " ×"), shown(median(cpu)), shown(Math.max(...block))];
    });
    const pages = table(["first page of 25", "on it", "p50 ms", "p99 ms", "p50 / inbox", "server CPU ms", "longest turn ms"], lines);
    return `A mailbox of ${copies.toLocaleString("en")} copies over ${OLDEST_DAYS} days; one connection.\n\n${pages}\n\n${await measureWriting(url.href, now)}\n\n${prepared}`;
  } finally {
    await Promise.all([server.end(), generator.end()]);
  }
}

async function countOf(port: number, { token, body }: Request): Promise<number> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const { data }: { data?: SearchQuery } = JSON.parse(await (await fetch(`http://127.0.0.1:${port}/graphql`, { method: "POST", headers, body })).text());
  const count = data?.mailbox?.search.edges.length;
  if (count === undefined) throw new Error("A search failed");
  return count;
}

/** What a sender pays for the words of a message: making and sealing the list, and writing its row. */
async function measureWriting(url: string, now: Date): Promise<string> {
  const dataKeys = await openDataKeys(url, { now: () => now });
  const key = await dataKeys.ofDay(now);
  const texts = Array.from({ length: 1000 }, (_, n) => [subjectOf(chance(n)), "Person", addressOf(WRITER), textOf(chance(n))]);
  const sealed: Buffer[] = [];
  const listing: number[] = [];
  for (const some of [...texts, ...texts]) {
    const began = performance.now();
    sealed.push(key.sealBytes({ id: mailboxKey(WRITER), field: "words" }, await listWords(some)));
    listing.push(performance.now() - began);
  }
  const writing: number[] = [];
  await withClient(url, async (client) => {
    await client.query("begin");
    for (const bytes of sealed) {
      const began = performance.now();
      await client.query({ name: "words", text: "insert into search_words (message_id, sealed) values ($1, $2)", values: [newId(now), bytes] });
      writing.push(performance.now() - began);
    }
    await client.query("rollback");
  });
  await dataKeys.close();
  const used = median(sealed.map(({ length }) => length));
  return table(
    ["a message of 100 words costs its sender", "median"],
    [
      ["listing and sealing its words", shown(median(listing.slice(1000)), " ms")],
      ["writing them, in a statement of its own (a send needs none)", shown(median(writing.slice(1000)), " ms")],
      ["bytes", shown(used)],
    ],
  );
}

/** Makes the mailbox once, and has the real job gather its days. Tells how that went, if it was now. */
async function prepare(database: Database, url: string, copies: number, now: Date): Promise<string> {
  const admin = new URL(database.url);
  admin.pathname = "/template1";
  const isReady = await withClient(url, (client) => client.query("select from bench.searchable")).catch(() => null);
  if (isReady) {
    await withClient(url, (client) => client.query("truncate sessions cascade"));
    await openSessions(url, { messages: copies, mailboxes: 1 }, now);
    return "";
  }
  console.error(`Making a mailbox of ${copies.toLocaleString("en")} messages to search in, once`);
  await withClient(admin.href, (client) => client.query(`drop database if exists ${DATABASE} with (force)`));
  await withClient(admin.href, (client) => client.query(`create database ${DATABASE}`));
  await migrate(url);
  const dataKeys = await openDataKeys(url, { now: () => now });
  await withClient(url, async (client) => {
    await openMailboxes(client, await dataKeys.directory(), now);
    for (let from = 0; from < copies; from += BATCH)
      await client.query({ name: "batch", text: insertBatch, values: await columnsOf(from, copies, now, dataKeys.ofDay.bind(dataKeys)) });
    await client.query("update mailboxes set last_sequence = $1", [copies]);
    await client.query("vacuum (analyze)");
  });
  await dataKeys.close();
  await openSessions(url, { messages: copies, mailboxes: 1 }, now);
  const gathered = await gather(database, url, copies);
  await withClient(url, (client) => client.query("create schema bench; create table bench.searchable ()"));
  return gathered;
}

async function gather(database: Database, url: string, copies: number): Promise<string> {
  const worker = new Child<typeof OurServer>("our-server.ts");
  try {
    await worker.call("start", { ...database.server, databaseUrl: url, part: "worker" });
    await worker.call("watchLoop");
    const began = performance.now();
    await withClient(url, async (client) => {
      await client.query("select graphile_worker.add_job('gather-search-days', job_key := 'gather-search-days')");
      const isBusy = async (): Promise<boolean> =>
        (await client.query("select from graphile_worker.jobs where task_identifier = 'gather-search-days'")).rowCount !== 0;
      while (await isBusy()) await sleep(200); // The queue tells nobody when a job is done; the figure is seconds long
    });
    const took = performance.now() - began;
    const longest = await worker.call("longestTurn");
    const bytes = await withClient(url, (client) =>
      client.query<{ words: string; days: string }>("select pg_total_relation_size('search_words') as words, pg_total_relation_size('search_days') as days"),
    );
    const perCopy = (total: string | undefined): string => shown(Number(total) / copies, " B");
    return table(
      ["gathering the days of this mailbox", "figure"],
      [
        ["time a message", shown((1000 * took) / copies, " µs")],
        ["longest turn of the worker's event loop", shown(longest, " ms")],
        ["word lists on disk, a message", perCopy(bytes.rows[0]?.words)],
        ["buckets on disk, a message", perCopy(bytes.rows[0]?.days)],
      ],
    );
  } finally {
    await worker.end();
  }
}

async function openMailboxes(client: Client, directory: DataKey, now: Date): Promise<void> {
  for (const n of [READER, WRITER]) {
    const name = (id: string): Buffer => directory.seal({ id, field: "name" }, `Person ${n}`);
    await client.query(
      `insert into accounts (id, user_id, password_hash, kind, name, address, created_at) values ($1, $2, 'none: nobody signs in here', $3, $4, $2, $5)`,
      [accountKey(n), addressOf(n), AccountKind.EMPLOYEE, name(accountKey(n)), now],
    );
    await client.query(`insert into mailboxes (id, address, kind, name, created_at) values ($1, $2, $3, $4, $5)`, [
      mailboxKey(n),
      addressOf(n),
      MailboxKind.PERSON,
      name(mailboxKey(n)),
      now,
    ]);
    await client.query(`insert into mailbox_holders (mailbox_id, account_id, role, created_at) values ($1, $2, $3, $4)`, [
      mailboxKey(n),
      accountKey(n),
      HolderRole.OWNER,
      now,
    ]);
  }
}

/** The messages from one number on, oldest first, as columns of `insertBatch`; all were opened, so that snippets show bodies. */
async function columnsOf(from: number, copies: number, now: Date, keyOf: (day: Date) => Promise<DataKey>): Promise<unknown[][]> {
  const oldest = before(now, OLDEST_DAYS * DAY);
  const rows: unknown[][] = [];
  const days = new Map<string, DataKey>();
  for (let n = from; n < Math.min(from + BATCH, copies); n += 1) {
    const sentAt = after(oldest, Math.floor((n / copies) * OLDEST_DAYS * DAY));
    const key = days.get(dayOf(sentAt)) ?? (await keyOf(sentAt));
    days.set(dayOf(sentAt), key);
    const id = newId(sentAt);
    const random = chance(n);
    const isRare = n % Math.floor(copies / RARE_MESSAGES) === 7;
    const subject = subjectOf(random);
    const body = { text: `${textOf(random)}${isRare ? ` ${RARE}` : ""}`, html: null };
    const header: CopyHeader = { subject, preview: previewOf(body), from: { displayName: "Person 1", address: addressOf(WRITER) } };
    rows.push([
      id,
      newId(sentAt),
      sentAt,
      expiryOf(sentAt),
      key.seal({ id, field: "body" }, body),
      key.sealBytes({ id, field: "words" }, await listWords([subject, "Person 1", addressOf(WRITER), body.text])),
      newId(sentAt),
      key.seal({ id, field: "header" }, header),
    ]);
  }
  return (rows[0] ?? []).map((_, column) => rows.map((row) => row[column]));
}

const insertBatch = `with message as materialized (
    select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::bytea[], $6::bytea[], $7::uuid[], $8::bytea[])
      as m (id, thread_id, sent_at, expires_at, body, words, copy_id, header)
  ), written as (
    insert into messages (id, thread_id, author_id, from_mailbox_id, priority, sent_at, expires_at, body)
    select id, thread_id, '${accountKey(WRITER)}', '${mailboxKey(WRITER)}', 1, sent_at, expires_at, body from message
  ), listed as (
    insert into search_words (message_id, sealed) select id, words from message
  )
  insert into copies (mailbox_id, id, message_id, thread_id, from_mailbox_id, folder, priority, attachment_count, opened_at, read_at, sent_at, expires_at, header)
  select '${mailboxKey(READER)}', copy_id, id, thread_id, '${mailboxKey(WRITER)}', 'INBOX', 1, 0, sent_at, sent_at, sent_at, expires_at, header from message`;

function subjectOf(random: Chance): string {
  return Array.from({ length: 2 + random(6) }, () => anyWord(random)).join(" ");
}

function textOf(random: Chance): string {
  return Array.from({ length: 60 + random(80) }, () => anyWord(random)).join(" ");
}

/** A word by chance: the ranks are spread evenly over their logarithm. */
function anyWord(random: Chance): string {
  return wordOf(Math.floor(VOCABULARY ** (random(1_000_000) / 1_000_000)));
}

/** The word of a rank: syllables that its number spells, so that no two are the same. */
function wordOf(rank: number): string {
  const syllables = "ba be bi co cu da de fe fi go ha in ka la le ma mi no on pa pe ra re se ta ti un ve vi wo ya zu".split(" ");
  let word = "";
  for (let rest = (rank * 7919) % 32_749; rest > 0 || word === ""; rest = Math.floor(rest / syllables.length)) word += syllables[rest % syllables.length] ?? "";
  return `${word}${rank % 2 === 0 ? "k" : "s"}`;
}
