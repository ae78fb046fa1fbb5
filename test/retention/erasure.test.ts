import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { SaveDraftDocument } from "../../operations/generated/operations.ts";
import { after, DAY, SECOND } from "../../src/clock.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { expireMessages } from "../../src/retention/expire-messages.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { MasterKeyMissing } from "../../src/vault/keyring.ts";
import { addMasterKey, readMasterKeys, removeMasterKey } from "../../src/vault/master-key-file.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { deliver, forwardMessage, openMessage, sent } from "../support/mail.ts";
import { employee, member, PASSWORD } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

/** Years go by; nobody shall have to sign in again for it. */
const session = { idleMinutes: 10_000 * 24 * 60, hours: 10_000 * 24 };
const OPEN = "query ($id: ID!) { message(id: $id) { subject preview from { displayName } body { text } attachments { fileName downloadUrl } } }";
const DRAFTS = "query ($id: ID!) { mailbox(id: $id) { drafts { edges { node { subject body { text } } } } } }";

let database: TestDatabase;
let dataDir: string;
let backup: TestDatabase;
let backupDir: string;

/** What was written, and when. */
interface Written {
  readonly first: string;
  readonly later: string;
  readonly mailboxId: string;
  readonly mailboxKey: string;
}
let written: Written;
let wrappedOnDay100: unknown;

/** Starts a server on these data, at this time, and stops it after the work. */
async function withApp<T>(data: { url: string; dataDir: string }, at: Date, work: (app: TestApp) => Promise<T>): Promise<T> {
  const app = await startTestApp({ config: { databaseUrl: data.url, dataDir: data.dataDir, session } });
  try {
    app.clock.moveTo(at);
    return await work(app);
  } finally {
    await app.close();
  }
}

const live = () => ({ url: database.url, dataDir });
const restored = () => ({ url: backup.url, dataDir: backupDir });
const day = (n: number): Date => after(START, n * DAY);

beforeAll(async () => {
  database = await createDatabase();
  dataDir = await mkdtemp(path.join(tmpdir(), "secure-mailbox-data-"));
  backupDir = await mkdtemp(path.join(tmpdir(), "secure-mailbox-backup-"));
  written = await withApp(live(), START, async (app) => {
    const [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
    const first = await deliver(erin, maria, { subject: "First", text: "The first words", attachmentIds: [await erin.client.uploaded("a.txt", "a file")] });
    await maria.client.run(SaveDraftDocument, { input: { mailboxId: maria.mailboxId, subject: "A draft", body: { text: "Half a thought" } } });
    app.clock.moveTo(day(100));
    const later = await deliver(erin, maria, { subject: "Later", text: "The later words" });
    await openMessage(maria, first.id);
    sent(await forwardMessage(maria, first.id, { to: [erin.address] }));
    const [key] = await sql<{ wrapped: Buffer }>(app, "select wrapped from keys.data_keys where id = 'day/2026-03-02'");
    wrappedOnDay100 = key?.wrapped;
    return { first: first.id, later: later.id, mailboxId: maria.mailboxId, mailboxKey: maria.mailboxKey };
  });
  backup = await createDatabase(new URL(database.url).pathname.slice(1)); // A physical copy on day 100: tables, keys and all
  await cp(dataDir, backupDir, { recursive: true });
});

afterAll(async () => {
  await Promise.all([database.drop(), backup.drop(), rm(dataDir, { recursive: true, force: true }), rm(backupDir, { recursive: true, force: true })]);
});

test("on the day after its last message has expired a day's key is destroyed, and the ledger says so", async () => {
  await withApp(live(), after(day(RETENTION_DAYS + 1), -10 * 3600 * SECOND), async (app) => {
    expect(await liveKeys(app)).toContain("day/2026-03-02"); // 23:00 on the 180th day: what was sent at 23:30 is still read
    await sweep(app.ctx());
    expect(await liveKeys(app)).toContain("day/2026-03-02");
    app.clock.moveTo(after(day(RETENTION_DAYS + 1), -9 * 3600 * SECOND)); // 00:00
    await Promise.all([sweep(app.ctx()), sweep(app.ctx())]);
    expect(await liveKeys(app)).not.toContain("day/2026-03-02");
    expect(await liveKeys(app)).toEqual(expect.arrayContaining(["day/2026-06-10", "directory"]));
    const destroyed = (await eventsOf(app)).filter(({ action }) => action === "key.destroyed");
    expect(destroyed).toEqual([expect.objectContaining({ code: "day/2026-03-02", actor_id: null })]);
    expect(await sql(app, "select from keys.data_keys where id = 'day/2026-03-02' and wrapped is null and destroyed_at = $1", [app.clock.now()])).toHaveLength(
      1,
    );

    // Whatever of that day still lies about, as the expiry job has not come by yet, nobody can read.
    app.clock.moveTo(day(50));
    const maria = await Client.signIn(app.url, "maria", PASSWORD);
    await mustBeNoise(app, maria);
    app.clock.moveTo(day(RETENTION_DAYS + 1));
    await expireMessages(app.ctx());
    expect(await maria.send(OPEN, { id: written.later })).toMatchObject({ data: { message: { body: { text: "The later words" } } } });
  });
});

test("a backup with the keys it was made with can be read, or this test would show nothing", async () => {
  await withApp(restored(), day(50), async (app) => {
    const maria = await Client.signIn(app.url, "maria", PASSWORD);
    const { data } = await maria.send<{ message: { attachments: { downloadUrl: string }[] } }>(OPEN, { id: written.first });
    expect(data).toMatchObject({ message: { subject: "First", body: { text: "The first words" }, attachments: [{ fileName: "a.txt" }] } });
    expect(await (await maria.download(data?.message.attachments[0]?.downloadUrl ?? "")).text()).toBe("a file");
    expect(await maria.send(DRAFTS, { id: written.mailboxId })).toMatchObject({ data: { mailbox: { drafts: { edges: [{ node: { subject: "A draft" } }] } } } });
  });
});

test("an old backup restored beside today's keys is noise for the days that are past, whatever the clock says; later days are whole", async () => {
  const keys = await withApp(live(), day(RETENTION_DAYS + 2), (app) => sql(app, "select * from keys.data_keys"));
  await withApp(restored(), day(50), async (app) => {
    await sql(app, "truncate keys.data_keys");
    await sql(app, "insert into keys.data_keys select * from jsonb_populate_recordset(null::keys.data_keys, $1)", [JSON.stringify(keys.map(asJson))]);
  });
  await withApp(restored(), day(50), async (app) => {
    const maria = await Client.signIn(app.url, "maria", PASSWORD);
    await mustBeNoise(app, maria);
    app.clock.moveTo(day(101));
    expect(await maria.send(OPEN, { id: written.later })).toMatchObject({ data: { message: { body: { text: "The later words" } } } });
    const { data } = await maria.send<{ mailbox: { messages: { edges: { node: { attachments: { fileName: string; downloadUrl: string }[] } }[] } } }>(
      "query ($id: ID!) { mailbox(id: $id) { messages(folder: SENT) { edges { node { subject attachments { fileName downloadUrl } } } } } }",
      { id: written.mailboxId },
    );
    const [file] = data?.mailbox.messages.edges[0]?.node.attachments ?? [];
    expect(await (await maria.download(file?.downloadUrl ?? "")).text()).toBe("a file"); // Passed on on day 100: it lives by that day's key
  });
});

test("a backup of everything, keys included, is noise once the master key it needs was rotated and dropped", async () => {
  const copy = await createDatabase(new URL(backup.url).pathname.slice(1));
  const file = path.join(backupDir, "master-keys");
  try {
    await withApp({ url: copy.url, dataDir: backupDir }, day(50), async (app) => {
      await sql(app, "update keys.data_keys set destroyed_at = null, wrapped = $2 where id = $1", ["day/2026-03-02", wrappedOnDay100]); // As the backup had it
      expect((await app.ctx().dataKeys.ofDay(START)).id).toBe("day/2026-03-02");
      const [old] = await readMasterKeys(file);
      await addMasterKey(file, app.clock);
      await removeMasterKey(file, old?.id ?? "");
    });
    await withApp({ url: copy.url, dataDir: backupDir }, day(50), (app) => expect(app.ctx().dataKeys.ofDay(START)).rejects.toThrow(MasterKeyMissing));
  } finally {
    await copy.drop();
  }
});

test("a server on an old backup destroys what is due before it answers anybody", async () => {
  const copy = await createDatabase(new URL(database.url).pathname.slice(1));
  try {
    await withApp({ url: copy.url, dataDir }, START, async (app) =>
      sql(app, "update keys.data_keys set wrapped = '\\x00', destroyed_at = null where wrapped is null"),
    );
    const app = await startTestApp({ config: { databaseUrl: copy.url, dataDir, session }, startAt: day(RETENTION_DAYS + 1) });
    expect(await liveKeys(app)).not.toContain("day/2026-03-02");
    await app.close();
  } finally {
    await copy.drop();
  }
});

async function liveKeys(app: TestApp): Promise<string[]> {
  return (await sql<{ id: string }>(app, "select id from keys.data_keys where wrapped is not null")).map(({ id }) => id);
}

/** Nothing of the first day can be read, message, draft or file; and nothing of it is in the answers or the log. */
async function mustBeNoise(app: TestApp, client: Client): Promise<void> {
  const answers = await Promise.all([
    client.send(OPEN, { id: written.first }),
    client.send(DRAFTS, { id: written.mailboxId }),
    client.send("query ($id: ID!) { mailbox(id: $id) { messages { edges { node { id subject preview } } } } }", { id: written.mailboxId }),
  ]);
  const said = JSON.stringify(answers) + app.logged.join("");
  expect(said).not.toMatch(/First|first words|a\.txt|A draft|Half a thought/);
  expect(answers[0]).toMatchObject({ data: { message: null }, errors: [{ extensions: { code: "INTERNAL" } }] });
}

/** A row of keys in JSON; `bytea` as PostgreSQL reads it. */
function asJson(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Buffer.isBuffer(value) ? `\\x${value.toString("hex")}` : value]));
}
