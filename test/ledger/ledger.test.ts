import { randomUUID } from "node:crypto";
import { DAY } from "../../src/clock.ts";
import { type Ctx, inTransaction } from "../../src/context.ts";
import { topicOfMailbox } from "../../src/ledger/bus.ts";
import { ORGANISATION_STREAM } from "../../src/ledger/event.ts";
import { type Happening, record } from "../../src/ledger/record.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { MailboxKind } from "../../src/mailboxes/mailbox.ts";
import { openMailbox } from "../../src/mailboxes/open-mailbox.ts";
import { expireMessages } from "../../src/retention/expire-messages.ts";
import { MarkReadDocument, MarkUnreadDocument, OpenMessageDocument } from "../../operations/generated/operations.ts";
import { print } from "graphql";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { sendMessage } from "../support/mail.ts";
import { employee, type SignedInPerson } from "../support/people.ts";
import { Random } from "../support/random.ts";
import { sql } from "../support/sql.ts";
import { fetchFolder, fetchState } from "../support/writing.ts";

let app: TestApp;
let beside: TestApp;
/** Half a year goes by in some of these tests; nobody shall have to sign in again for it. */
const config = { databasePoolSize: 16, session: { idleMinutes: 2 * RETENTION_DAYS * 24 * 60, hours: 2 * RETENTION_DAYS * 24 } };

beforeAll(async () => {
  app = await startTestApp({ config });
  beside = await startTestApp({ beside: app, config });
});

afterAll(async () => {
  await beside.close();
  await app.close();
});

describe("record()", () => {
  test("leaves nothing of a transaction that is rolled back, and tells nobody; the same one committed leaves everything", async () => {
    const mailboxId = await mailbox("rolled-back");
    const before = await whole();
    let woken = 0;
    const stop = app.services.bus.listen(topicOfMailbox(mailboxId), () => (woken += 1));
    const work = async (ctx: Ctx): Promise<void> => {
      await record(ctx, { action: "message.received", mailboxId, subjectId: randomUUID(), unread: 1 }, { action: "attachment.released", mailboxId });
      await record(ctx, { action: "session.started" });
    };
    const failing = inTransaction(app.ctx(), async (ctx) => {
      await work(ctx);
      throw new Error("after all that");
    });
    await expect(failing).rejects.toThrow("after all that");
    expect(await whole()).toEqual(before);
    expect(woken).toBe(0);

    await inTransaction(app.ctx(), work);
    expect(woken).toBeGreaterThan(0);
    expect(await streamOf(mailboxId)).toEqual({ actions: ["message.received", "attachment.released"], sequences: [1, 2], last: 2, unread: 1 });
    stop();
  });

  test("numbers every mailbox's events without a gap while sixteen write at once and some of them fail", async () => {
    const mailboxes = await Promise.all(Array.from({ length: 8 }, (_, n) => mailbox(`parallel-${n}`)));
    const streams = [...mailboxes, ORGANISATION_STREAM];
    const before = (await streamOf(ORGANISATION_STREAM)).last;
    const committed: Happening[] = [];
    const write = async (seed: number): Promise<void> => {
      const random = new Random(seed);
      for (let n = 0; n < 25; n += 1) {
        const happenings = Array.from({ length: 1 + random.below(6) }, (): Happening => {
          const mailboxId = random.pick(streams);
          const subjectId = randomUUID();
          return mailboxId === ORGANISATION_STREAM
            ? { action: "session.started", subjectId }
            : { action: "message.received", mailboxId, subjectId, unread: random.below(3) - 1 };
        });
        const fails = random.below(3) === 0;
        const writing = inTransaction(app.ctx(), async (ctx) => {
          await record(ctx, ...happenings);
          if (fails) throw new Error("rolled back");
        });
        if (fails) await expect(writing).rejects.toThrow("rolled back");
        else {
          await writing;
          committed.push(...happenings);
        }
      }
    };
    await Promise.all(Array.from({ length: 16 }, (_, n) => write(n + 1)));

    for (const mailboxId of mailboxes) {
      const own = committed.filter((happening) => happening.mailboxId === mailboxId);
      const { sequences, last, unread } = await streamOf(mailboxId);
      expect(own.length).toBeGreaterThan(50);
      expect(sequences).toEqual(own.map((_, n) => n + 1));
      expect(last).toBe(own.length);
      expect(unread).toBe(own.reduce((sum, happening) => sum + (happening.unread ?? 0), 0));
    }
    const organisation = await streamOf(ORGANISATION_STREAM);
    expect(organisation.sequences).toEqual(organisation.sequences.map((_, n) => n + 1));
    expect(organisation.last - before).toBe(committed.filter(({ mailboxId }) => mailboxId === undefined).length);
  });
});

describe("the relay", () => {
  test("makes each outbox row a job exactly once, though two processes race for them", async () => {
    const mailboxId = await mailbox("outbox");
    const known = new Set(await jobs());
    const happenings = Array.from({ length: 50 }, (): Happening => ({ action: "attachment.released", mailboxId }));
    const writers = Array.from({ length: 60 }, (_, n) => record((n % 2 === 0 ? app : beside).ctx(), ...happenings));
    const racers = Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? app : beside).services.relay.drain());
    await Promise.all([...writers, ...racers]);
    await Promise.all([app.services.relay.drain(), beside.services.relay.drain()]);

    const events = await sql<{ id: string }>(app, "select id from events where mailbox_id = $1", [mailboxId]);
    const made = (await jobs()).filter((id) => !known.has(id));
    expect(made).toHaveLength(3000);
    expect(made.sort()).toEqual(events.map(({ id }) => id).sort());
    expect(await sql(app, "select from outbox")).toHaveLength(0);
  });

  test("finds what a killed process left in the outbox", async () => {
    const left = [randomUUID(), randomUUID()];
    for (const id of left) {
      await sql(app, "insert into outbox (event_id, action, mailbox_id) values ($1, 'attachment.released', $2)", [id, ORGANISATION_STREAM]);
    }
    const next = await startTestApp({ beside: app });
    await eventually(async () => expect(await jobs()).toEqual(expect.arrayContaining(left)));
    await next.close();
    expect((await jobs()).filter((id) => new Set<string>(left).has(id))).toHaveLength(2);
  });

  test("neither loses nor doubles a row where its connection breaks in the middle", async () => {
    const id = randomUUID();
    await inTransaction(app.ctx(), async ({ db }) => {
      await db.manager.query("lock table graphile_worker._private_jobs in access exclusive mode");
      await sql(app, "insert into outbox (event_id, action, mailbox_id) values ($1, 'attachment.released', $2)", [id, ORGANISATION_STREAM]);
      const broken = expect(app.services.relay.drain()).rejects.toThrow("terminat");
      const waiting = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%delete from outbox%'";
      await eventually(async () => expect(await sql(app, `select pg_terminate_backend(pid) from (${waiting}) as relay`)).toHaveLength(1));
      await broken;
    });
    expect(await sql(app, "select from outbox where event_id = $1", [id])).toHaveLength(1);
    expect(await jobs()).not.toContain(id);
    await beside.services.relay.drain();
    expect((await jobs()).filter((job) => job === id)).toHaveLength(1);
  });
});

test("nobody waits for another in a ring: many send to the same people in any order, while these open, mark and expire what they have", async () => {
  const people = await Promise.all(Array.from({ length: 6 }, (_, n) => employee(app, `sender-${n}`)));
  const addresses = people.map(({ address }) => address);
  const elsewhere = (person: SignedInPerson): SignedInPerson => ({ ...person, client: new Client(beside.url, person.client.token) });
  const send = async (person: SignedInPerson, random: Random, count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) {
      const to = [...random.shuffled(addresses).slice(0, 4), ...random.shuffled(["new-a", "new-b", "new-c"]).map((name) => `${name}-${n}@mail.example`)];
      expect(await sendMessage(person, { to: random.shuffled(to) })).toHaveProperty("message");
    }
  };
  await Promise.all(people.map((person, n) => send(person, new Random(n + 1), 6)));
  app.clock.advance(DAY);
  await Promise.all(people.map((person, n) => send(person, new Random(n + 11), 6)));
  const inboxes = await Promise.all(people.map(async ({ client, mailboxId }) => (await fetchFolder(client, mailboxId)).map(({ id }) => id)));
  const sort = async (person: SignedInPerson, ids: readonly string[], random: Random): Promise<void> => {
    for (let n = 0; n < 12; n += 1) {
      const messageIds = random.shuffled(ids).slice(0, 1 + random.below(4));
      const [document, variables] = random.pick([
        [MarkReadDocument, { input: { messageIds } }],
        [MarkUnreadDocument, { input: { messageIds } }],
        [OpenMessageDocument, { id: messageIds[0] ?? "" }],
      ] as const);
      expect(JSON.stringify(await person.client.send(print(document), variables))).not.toMatch(/INTERNAL|UNAVAILABLE/);
    }
  };

  app.clock.advance((RETENTION_DAYS - 1) * DAY); // the first half expires
  await Promise.all([
    ...people.map((person, n) => send(elsewhere(person), new Random(n + 21), 6)),
    ...people.map((person, n) => sort(person, inboxes[n] ?? [], new Random(n + 31))),
    expireMessages(app.ctx()),
    expireMessages(beside.ctx()),
  ]);
  await expireMessages(app.ctx());
  expect(await sql(app, "select from copies where expires_at <= $1", [app.clock.now()])).toHaveLength(0);
  for (const { client, mailboxId } of people) {
    const unread = (await fetchFolder(client, mailboxId)).filter(({ isRead }) => !isRead).length;
    expect((await fetchState(client, mailboxId)).unreadCount).toBe(unread);
  }
  // A session tells what it counted when it ends.
  await eventually(async () => {
    await sql(app, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");
    const [database] = await sql<{ deadlocks: number; commits: number }>(
      app,
      "select deadlocks, xact_commit as commits from pg_stat_database where datname = current_database()",
    );
    expect(database?.commits).toBeGreaterThan(500);
    expect(database?.deadlocks).toBe(0); // in all of this file
  });
});

function mailbox(name: string): Promise<string> {
  return openMailbox(app.ctx(), { address: `${name}@insurer.example`, kind: MailboxKind.TEAM, displayName: name });
}

/** What the ledger knows of a stream. */
async function streamOf(mailboxId: string) {
  const [counts] = await sql<{ last: number; unread: number }>(app, "select last_sequence as last, unread_count as unread from mailboxes where id = $1", [
    mailboxId,
  ]);
  const events = await sql<{ sequence: number; action: string }>(app, "select sequence, action from events where mailbox_id = $1 order by sequence", [
    mailboxId,
  ]);
  return { actions: events.map(({ action }) => action), sequences: events.map(({ sequence }) => sequence), last: counts?.last ?? 0, unread: counts?.unread };
}

/** All that a transaction of the ledger could have changed. */
async function whole(): Promise<unknown[]> {
  return Promise.all(["events order by mailbox_id, sequence", "outbox", "mailboxes order by id"].map((table) => sql(app, `select * from ${table}`)));
}

/** The events that queued jobs stand for. */
async function jobs(): Promise<string[]> {
  const rows = await sql<{ id: string }>(app, "select payload ->> 'eventId' as id from graphile_worker._private_jobs");
  return rows.map(({ id }) => id);
}
