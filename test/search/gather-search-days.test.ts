import { after, DAY, dayNumber, HOUR, MINUTE } from "../../src/clock.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { expireMessages } from "../../src/retention/expire-messages.ts";
import { gatherSearchDays } from "../../src/search/gather-search-days.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { messagesOf, sendMessage, sent } from "../support/mail.ts";
import { employee, member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { Random } from "../support/random.ts";
import { searchPage, subjectsOf } from "../support/searching.ts";
import { sql } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeEach(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 100_000, hours: 10_000 } } });
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
});

afterEach(() => app.close());

const neverStopped = new AbortController().signal;

/** Gathers as if every mailbox were large. */
const gather = (): Promise<void> => gatherSearchDays(app.ctx(), neverStopped, 0);

const vocabulary = "claim claims claimed clinic clinical coverage cover covering dying die médico medicos reclamación reclamaciones x 00123 0012 Straße".split(
  " ",
);
const queries = [
  "claim",
  "claim ",
  "cli*",
  "cov cover",
  "covers ",
  "die ",
  "dying",
  "medic*",
  "médicos ",
  "reclamación ",
  "x ",
  "001",
  "00123 x",
  "str",
  "claim clinic",
  "die x claim",
  "cla*",
  "absent",
  "claim absent",
];

/** Sends messages of a few random words, several a day, and returns how many. */
async function fill(random: Random, days: number): Promise<number> {
  let count = 0;
  for (let day = 0; day < days; day += 1) {
    for (let n = 2 + random.below(6); n > 0; n -= 1) {
      const text = Array.from({ length: 1 + random.below(4) }, () => random.pick(vocabulary)).join(" ");
      sent(await sendMessage(erin, { to: [maria.address], subject: `No. ${(count += 1)}`, text }));
      app.clock.advance((1 + random.below(3)) * HOUR);
    }
    app.clock.moveTo(after(START, (day + 1) * DAY));
  }
  return count;
}

/** All answers to all queries, in pages of a random size. */
async function answers(random: Random): Promise<Record<string, string[]>> {
  const all: Record<string, string[]> = {};
  for (const query of queries) {
    const found: string[] = [];
    for (let cursor: string | null = null; ;) {
      const { edges, pageInfo } = await searchPage(maria, query, { first: 1 + random.below(12), after: cursor });
      found.push(...edges.map(({ node }) => node.found.subject));
      if (!pageInfo.hasNextPage) break;
      cursor = pageInfo.endCursor;
    }
    all[query] = found;
  }
  return all;
}

async function remove(subjects: readonly string[]): Promise<void> {
  const messages = await messagesOf(maria);
  const ids = messages.filter(({ subject }) => subjects.includes(subject)).map(({ id }) => id);
  await maria.client.send("mutation ($ids: [ID!]!) { deleteMessages(input: { messageIds: $ids }) { __typename } }", { ids });
}

test.each([1, 2, 3])("buckets give the very answers that lists give, before and after deletions (seed %i)", async (seed) => {
  const random = new Random(seed);
  const count = await fill(random, 6);
  const fromLists = await answers(random);
  expect(Object.values(fromLists).filter((found) => found.length > 0).length).toBeGreaterThan(10);
  expect([fromLists["absent"], fromLists["claim absent"]]).toEqual([[], []]);

  await gather();
  const days = await sql<{ day: number }>(app, "select day from search_gathered_days where mailbox_id = $1 order by day", [maria.mailboxKey]);
  expect(days.length).toBeGreaterThan(4);
  expect(await answers(random)).toEqual(fromLists);

  // Without their lists the gathered days still answer: so it is the buckets that do.
  await sql(app, "create table kept as select * from search_words");
  await sql(app, "delete from search_words");
  expect(await answers(random)).toEqual(fromLists);
  await sql(app, "insert into search_words select * from kept");

  const removed = random.shuffled(Array.from({ length: count }, (_, n) => `No. ${n + 1}`)).slice(0, 5);
  await remove(removed);
  const left = Object.fromEntries(Object.entries(fromLists).map(([query, found]) => [query, found.filter((subject) => !removed.includes(subject))]));
  expect(left).not.toEqual(fromLists);
  expect(await answers(random)).toEqual(left);
  await gather();
  await expect(sql(app, "select day from search_gathered_days where stale_since is not null")).resolves.toEqual([]);
  expect(await answers(random)).toEqual(left);
});

test("the words of what was deleted leave the buckets with the next run, and a day without messages leaves nothing", async () => {
  for (const text of ["staying", "plantedword"]) sent(await sendMessage(erin, { to: [maria.address], subject: text, text }));
  app.clock.advance(2 * DAY);
  await gather();
  expect(await gatheredForms(maria)).toEqual(expect.arrayContaining(["staying", "plantedword"]));
  await remove(["plantedword"]);
  await expect(subjectsOf(maria, "plantedword")).resolves.toEqual([]);
  expect(await gatheredForms(maria)).toContain("plantedword");
  await gather();
  expect(await gatheredForms(maria)).not.toContain("plantedword");
  expect(await gatheredForms(maria)).toContain("staying");
  await expect(subjectsOf(maria, "staying")).resolves.toEqual(["staying"]);
  await remove(["staying"]);
  await gather();
  await expect(sql(app, "select bucket from search_days where mailbox_id = $1", [maria.mailboxKey])).resolves.toEqual([]);
  await expect(sql(app, "select day from search_gathered_days where mailbox_id = $1", [maria.mailboxKey])).resolves.toEqual([]);
});

test("only finished days of large mailboxes are gathered, each once", async () => {
  const send = async (): Promise<void> => void sent(await sendMessage(erin, { to: [maria.address], subject: "Wanted" }));
  const days = async (): Promise<number[]> =>
    (await sql<{ day: number }>(app, "select day from search_gathered_days where mailbox_id = $1 order by day", [maria.mailboxKey])).map(({ day }) => day);
  const today = dayNumber(START);
  for (let n = 0; n < 3; n += 1) await send();
  app.clock.advance(DAY);
  await send();
  await gatherSearchDays(app.ctx(), neverStopped, 4); // of four copies it is small
  expect(await days()).toEqual([]);
  await gatherSearchDays(app.ctx(), neverStopped, 3);
  expect(await days()).toEqual([today]);
  app.clock.moveTo(after(new Date((today + 2) * DAY), HOUR - MINUTE));
  await gatherSearchDays(app.ctx(), neverStopped, 3);
  expect(await days()).toEqual([today]);
  app.clock.advance(MINUTE);
  const [first] = await sql(app, "select * from search_days order by mailbox_id, bucket, day limit 1");
  await gatherSearchDays(app.ctx(), neverStopped, 3);
  expect(await days()).toEqual([today, today + 1]);
  await expect(sql(app, "select * from search_days order by mailbox_id, bucket, day limit 1")).resolves.toEqual([first]);
  await expect(subjectsOf(maria, "wanted")).resolves.toHaveLength(4);
});

test("two nodes may gather at once, and a job that was stopped or killed goes on", async () => {
  await fill(new Random(9), 4);
  const expected = await answers(new Random(1));
  await gatherSearchDays(app.ctx(), AbortSignal.abort(), 0);
  await expect(sql(app, "select day from search_gathered_days")).resolves.toEqual([]);
  await Promise.all([gather(), gather(), gather()]);
  expect(await answers(new Random(2))).toEqual(expected);
  const last = (await sql<{ day: number }>(app, "select max(day) as day from search_gathered_days"))[0]?.day ?? 0;
  await sql(app, "delete from search_days where day = $1", [last]);
  await sql(app, "delete from search_gathered_days where day = $1", [last]);
  expect(await answers(new Random(3))).toEqual(expected);
  await gather();
  await expect(sql(app, "select max(day) as day from search_gathered_days")).resolves.toEqual([{ day: last }]);
  expect(await answers(new Random(4))).toEqual(expected);
});

test("what expires is hidden at once, and its day goes with its key", async () => {
  sent(await sendMessage(erin, { to: [maria.address], subject: "Wanted early" }));
  app.clock.advance(8 * HOUR);
  sent(await sendMessage(erin, { to: [maria.address], subject: "Wanted late" }));
  app.clock.advance(DAY);
  await gather();
  app.clock.moveTo(after(START, RETENTION_DAYS * DAY));
  maria = { ...maria, client: await Client.signIn(app.url, "maria", PASSWORD) };
  await expect(subjectsOf(maria, "wanted")).resolves.toEqual(["Wanted late"]);
  await expireMessages(app.ctx());
  await gather();
  await expect(subjectsOf(maria, "wanted")).resolves.toEqual(["Wanted late"]);
  app.clock.moveTo(after(new Date((dayNumber(START) + RETENTION_DAYS + 1) * DAY), 0));
  await expect(subjectsOf(maria, "wanted")).resolves.toEqual([]);
  await gather();
  for (const table of ["search_days", "search_gathered_days"]) await expect(sql(app, `select 1 from ${table}`)).resolves.toEqual([]);
});

test("nothing a search needs holds a word in the clear, and lengths are powers of two", async () => {
  const planted = ["Plantedword", "Zweitwörter", "treatments"];
  sent(await sendMessage(erin, { to: [maria.address], subject: planted.join(" "), text: planted.join(" ") }));
  app.clock.advance(2 * DAY);
  await gather();
  await expect(subjectsOf(maria, "plantedword zweitworter treatment")).resolves.toHaveLength(1);
  const rows = await sql<{ row: string; bytes: Buffer }>(
    app,
    `select row_to_json(w)::text as row, sealed as bytes from search_words w union all select row_to_json(d)::text, sealed from search_days d
     union all select row_to_json(g)::text, bucket_key from search_gathered_days g`,
  );
  expect(rows.length).toBeGreaterThan(32);
  const forms = [...planted, "plantedword", "zweitworter", "zweitwort", "treatment"];
  for (const { row, bytes } of rows) {
    for (const form of forms) {
      for (const encoding of ["utf8", "utf16le", "latin1"] as const) expect(bytes.includes(Buffer.from(form, encoding))).toBe(false);
      for (const encoding of ["hex", "base64"] as const) expect(row).not.toContain(Buffer.from(form).toString(encoding).slice(0, 12));
    }
  }
  const overhead = 6 + 12 + 16; // reference to the day's key, nonce, tag
  const lengths = new Set(rows.map(({ bytes }) => bytes.length - overhead).filter((length) => length !== 32));
  expect([...lengths]).toEqual([256]);
});

/** The word forms in all buckets of a mailbox. */
async function gatheredForms({ mailboxKey }: SignedInPerson): Promise<string[]> {
  const rows = await sql<{ bucket: number; sealed: Buffer }>(app, "select bucket, sealed from search_days where mailbox_id = $1", [mailboxKey]);
  const opener = await app.services.dataKeys.forSealed(rows.map(({ sealed }) => sealed));
  const lists = rows.map(({ bucket, sealed }) => opener.openBytes({ id: mailboxKey, field: `bucket/${bucket}` }, sealed).toString("latin1"));
  return lists.flatMap((list) => [...list.matchAll(/\n([^\t\n]+)\t/g)].map(([, form = ""]) => form));
}
