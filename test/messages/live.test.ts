import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { print } from "graphql";
import { RevokeSessionDocument, SessionsDocument, SignInDocument, SignOutDocument } from "../../operations/generated/operations.ts";
import { HOUR } from "../../src/clock.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client, type Subscription } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { Feed, type FeedEvent } from "../support/feed.ts";
import { routeTo } from "../support/lost-database.ts";
import { feedCursor } from "../../src/mailboxes/mailbox.ts";
import { usedMemory } from "../support/memory.ts";
import { createTeam, employee, member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { RawSocket, type ServerMessage } from "../support/raw-socket.ts";
import { sql } from "../support/sql.ts";
import { fetchState, send } from "../support/writing.ts";

let app: TestApp;
let beside: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;
let dan: SignedInPerson;
let team: Awaited<ReturnType<typeof createTeam>>;
/** Subscriptions to the team's mailbox, running from the beginning: Erin's, and Dan's on each process. */
let teamLives: Live[];
let silent: RawSocket;

beforeAll(async () => {
  app = await startTestApp();
  beside = await startTestApp({ beside: app });
  [erin, dan, maria] = await Promise.all([employee(app, "erin"), employee(app, "dan"), member(app, "maria")]);
  team = await createTeam(app, "claims", [erin, dan]);
  teamLives = await established(team.mailboxId, team.address, erin.client, dan.client, new Client(beside.url, dan.client.token));
  silent = await RawSocket.open(app.url);
});

afterAll(async () => {
  await beside.close();
  await app.close();
});

const feed = print(Feed);

describe("a socket opens", () => {
  test("for our own origin and for none, and is refused with 403 for any other", async () => {
    for (const options of [{}, { origin: app.url }]) {
      const socket = await RawSocket.open(app.url, options);
      await init(socket, maria);
      await socket.close();
    }
    for (const origin of ["https://evil.example", `${app.url}.evil.example`, "null"]) {
      await expect(RawSocket.open(app.url, { origin })).rejects.toThrow("403");
    }
  });

  test("at /graphql only, and a path that is none harms nobody", async () => {
    for (const [path, status] of [
      ["/graphql?x=1", "101"],
      ["/", "404"],
      ["//", "404"],
      ["http://[", "404"],
    ]) {
      const { hostname, port } = new URL(app.url);
      const connection = connect(Number(port), hostname);
      connection.write(
        `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
      );
      const [answer] = await once(connection, "data", { signal: AbortSignal.timeout(2000) });
      connection.destroy();
      expect(String(answer)).toContain(`HTTP/1.1 ${status} `);
    }
  });

  test("with a bearer token in connection_init or with the browser's cookie", async () => {
    const byToken = await RawSocket.open(app.url);
    await init(byToken, maria);
    const signIn = await fetch(`${app.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: print(SignInDocument), variables: { input: { userId: "maria", password: PASSWORD } } }),
    });
    const cookie = signIn.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    const byCookie = await RawSocket.open(app.url, { headers: { cookie } });
    await byCookie.say({ type: "connection_init" });
    await eventually(() => expect(byCookie.heard).toEqual([{ type: "connection_ack" }]));
    for (const socket of [byToken, byCookie]) {
      const { cursor } = await fetchState(maria.client, maria.mailboxId);
      await socket.subscribe("1", feed, { mailboxId: maria.mailboxId, after: cursor });
      await send(erin, [maria.address]);
      await eventually(() =>
        expect(socket.about("1")).toMatchObject([{ type: "next", payload: { data: { mailboxChanged: { __typename: "MessageReceived" } } } }]),
      );
      await socket.close();
    }
  });

  test("to nobody: a bogus token, cookie or none closes it with 4403, and speaking before that with 4401", async () => {
    for (const [headers, payload] of [
      [{}, { authorization: `Bearer ${"x".repeat(43)}` }],
      [{}, { authorization: "Basic eDp5" }],
      [{ cookie: `session=${"x".repeat(43)}` }, {}],
      [{}, {}],
      [{}, undefined],
    ]) {
      const socket = await RawSocket.open(app.url, headers ? { headers } : {});
      await socket.say({ type: "connection_init", ...(payload && { payload }) });
      expect(await socket.closed).toBe(4403);
      expect(socket.heard).toEqual([]);
    }
    const early = await RawSocket.open(app.url);
    await early.subscribe("1", feed, { mailboxId: maria.mailboxId, after: null });
    expect(await early.closed).toBe(4401);
  });
});

describe("on a socket", () => {
  test("twenty subscriptions run side by side; the next is refused until one has ended, and the socket lives on", async () => {
    const socket = await RawSocket.open(app.url);
    await init(socket, maria);
    const { cursor } = await fetchState(maria.client, maria.mailboxId);
    const ids = Array.from({ length: 20 }, (_, n) => `s${n}`);
    for (const id of ids) await socket.subscribe(id, feed, { mailboxId: maria.mailboxId, after: cursor });
    await socket.subscribe("too many", feed, { mailboxId: maria.mailboxId, after: cursor });
    await eventually(() => expect(socket.about("too many")).toMatchObject([{ type: "error", payload: [{ message: expect.stringContaining("at most 20") }] }]));
    await send(erin, [maria.address]);
    for (const id of ids) await eventually(() => expect(socket.about(id)).toMatchObject([{ type: "next" }]));

    await socket.say({ type: "complete", id: "s0" });
    await eventually(async () => {
      const id = `again ${socket.heard.length}`;
      await socket.subscribe(id, feed, { mailboxId: maria.mailboxId, after: cursor });
      await eventually(() => expect(socket.about(id)).not.toEqual([]));
      expect(socket.about(id)).toMatchObject([{ type: "next" }]);
    });
    await socket.close();
  });

  test("a stranger's mailbox is an error, not a closed socket, and equals one that never was", async () => {
    const socket = await RawSocket.open(app.url);
    await init(socket, maria);
    const nowhere = Buffer.from(maria.mailboxId, "base64url");
    nowhere.writeUInt8(nowhere.readUInt8(16) ^ 1, 16);
    const { cursor } = await fetchState(erin.client, erin.mailboxId);
    await socket.subscribe("foreign", feed, { mailboxId: erin.mailboxId, after: cursor });
    await socket.subscribe("random", feed, { mailboxId: nowhere.toString("base64url"), after: cursor });
    await socket.subscribe("foreign arrivals", "subscription ($id: ID!) { messageReceived(mailboxId: $id) { id } }", { id: erin.mailboxId });
    await eventually(() => expect(socket.heard.filter(({ type }) => type === "complete")).toHaveLength(3));
    const refusal = socket.about("foreign")[0]?.payload;
    expect(refusal).toMatchObject({ errors: [{ extensions: { code: "NOT_FOUND" } }] });
    expect(socket.about("random")[0]?.payload).toEqual(refusal);
    expect(socket.about("foreign arrivals")[0]?.payload).toMatchObject({ errors: [{ extensions: { code: "NOT_FOUND" } }] });

    const own = await fetchState(maria.client, maria.mailboxId);
    await socket.subscribe("own", feed, { mailboxId: maria.mailboxId, after: own.cursor });
    await send(erin, [maria.address]);
    await eventually(() => expect(socket.about("own")).toMatchObject([{ type: "next" }]));
    await send(maria, [erin.address]);
    expect([...socket.about("foreign"), ...socket.about("foreign arrivals")]).toHaveLength(4); // each its refusal and its end
    await socket.close();
  });

  test("queries and mutations are refused", async () => {
    const socket = await RawSocket.open(app.url);
    await init(socket, maria);
    const operations = ["{ viewer { account { id } } }", "mutation { signOut { ... on SignOutPayload { signedOutAt } } }"];
    for (const [n, operation] of operations.entries()) {
      await socket.subscribe(String(n), operation);
      await eventually(() =>
        expect(socket.about(String(n))).toMatchObject([{ type: "error", payload: [{ message: expect.stringContaining("Only subscriptions") }] }]),
      );
    }
    expect((await maria.client.send("{ viewer { account { id } } }")).errors).toBeUndefined();
    await socket.close();
  });
});

describe("events arrive", () => {
  test("on each of two processes, whichever of them a message was sent through", async () => {
    const lives = await established(maria.mailboxId, maria.address, maria.client, new Client(beside.url, maria.client.token));
    const senders = [erin, { ...erin, client: new Client(beside.url, erin.client.token) }];
    for (const sender of senders) {
      const { id } = await send(sender, [maria.address], { subject: sender.client.url });
      expect(id).not.toBe("");
      for (const live of lives) expect((await live.next())?.mailboxChanged).toMatchObject({ message: { subject: sender.client.url } });
    }
    await close(...lives);
  });

  test("within seconds where the connection that hears of them is lost, and it is made anew", async () => {
    const [live] = await established(maria.mailboxId, maria.address, new Client(beside.url, maria.client.token));
    const listening = "select pid from pg_stat_activity where datname = current_database() and application_name = 'secure-mailbox bus'";
    const lost = await sql<{ pid: number }>(app, `select pid, pg_terminate_backend(pid) from (${listening}) as listener`);
    expect(lost).toHaveLength(2);
    const began = performance.now();
    await send(erin, [maria.address], { subject: "unheard" });
    expect((await live?.next())?.mailboxChanged).toMatchObject({ message: { subject: "unheard" } });
    expect(performance.now() - began).toBeLessThan(4000);
    await eventually(async () => {
      const now = await sql<{ pid: number }>(app, listening);
      expect(now.filter(({ pid }) => !lost.some((one) => one.pid === pid))).toHaveLength(2);
    });
    await close(live);
  });

  test("all of them, in order and on the same socket, after PostgreSQL was away for a while", async () => {
    const route = await routeTo(app.databaseUrl);
    const cutOff = await startTestApp({ beside: app, config: { databaseUrl: route.url } });
    const [live] = await established(maria.mailboxId, maria.address, new Client(cutOff.url, maria.client.token));
    route.cut();
    await eventually(async () => expect((await fetch(`${cutOff.url}/health/ready`)).status).toBe(503));
    const subjects = ["one", "two", "three"];
    for (const subject of subjects) await send(erin, [maria.address], { subject });
    await eventually(() => expect(cutOff.logged.join()).toContain("the bus cannot reach the database"));
    route.restore();
    expect(cutOff.logged.filter((line) => line.includes('"level":50'))).toEqual([]);
    const arrived = [await live?.next(), await live?.next(), await live?.next()];
    expect(arrived).toMatchObject(subjects.map((subject) => ({ mailboxChanged: { message: { subject } } })));
    await close(live);
    await cutOff.close();
    await route.close();
  });

  test("after every connection to PostgreSQL was broken at once", async () => {
    const lives = await established(maria.mailboxId, maria.address, maria.client, new Client(beside.url, maria.client.token));
    await sql(app, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");
    await eventually(() => send(erin, [maria.address], { subject: "again", idempotencyKey: "after the break" }));
    for (const live of lives) expect((await live.next())?.mailboxChanged).toMatchObject({ message: { subject: "again" } });
    await close(...lives);
  });
});

describe("a slow reader", () => {
  const messages = 16;
  const large = "x".repeat(900_000);
  const withBodies = `subscription ($mailboxId: ID!, $after: String) {
    mailboxChanged(mailboxId: $mailboxId, after: $after) { __typename ... on MessageReceived { message { subject body { text } } } }
  }`;
  let slowDan: SignedInPerson;
  let slowTeam: Awaited<ReturnType<typeof createTeam>>;
  const start = feedCursor(0);
  const subjects = Array.from({ length: messages }, (_, n) => `large ${n}`);

  beforeAll(async () => {
    [erin, maria, slowDan] = await Promise.all([signedInAgain(erin), signedInAgain(maria), employee(app, "slow-dan")]);
    slowTeam = await createTeam(app, "slow", [erin, slowDan]);
  });

  test("holds back its own stream and nobody else's, takes no memory, and misses nothing", async () => {
    const slow = await RawSocket.open(app.url);
    await init(slow, slowDan);
    slow.pause();
    await slow.subscribe("large", withBodies, { mailboxId: slowTeam.mailboxId, after: start });
    const quick = erin.client.subscribe(Feed, { mailboxId: slowTeam.mailboxId, after: start });
    const before = usedMemory();
    const arrived: unknown[] = [];
    for (const subject of subjects) {
      await send(maria, [slowTeam.address], { subject, text: large });
      for (let last; last !== subject; arrived.push(last)) {
        const event = (await quick.next())?.mailboxChanged;
        last = event?.__typename === "MessageReceived" ? event.message.subject : undefined;
      }
    }
    expect(arrived.filter((subject) => subject !== undefined)).toEqual(subjects);
    await eventually(() => expect(usedMemory() - before).toBeLessThan(5_000_000)); // of the 14 MB that it was offered
    slow.resume();
    await eventually(() => expect(slow.about("large").filter(isReceived)).toHaveLength(messages), 10_000);
    expect(slow.about("large").filter(isReceived)).toMatchObject(
      subjects.map((subject) => ({ payload: { data: { mailboxChanged: { message: { subject } } } } })),
    );
    await Promise.all([quick.close(), slow.close()]);
  });

  test("gets nothing more once it has lost the mailbox, not even what was read for it before", async () => {
    const slow = await RawSocket.open(app.url);
    await init(slow, slowDan);
    slow.pause();
    await slow.subscribe("large", withBodies, { mailboxId: slowTeam.mailboxId, after: start });
    const [other] = await established(slowTeam.mailboxId, slowTeam.address, slowDan.client);
    const ended = other?.next();
    await sql(app, "update mailbox_holders set ends_at = $3 where mailbox_id = $1 and account_id = $2", [
      slowTeam.mailboxKey,
      slowDan.accountId,
      app.clock.now(),
    ]);
    expect(await ended).toBeNull();
    const noticed = performance.now();
    await eventually(() => expect(performance.now() - noticed).toBeGreaterThan(1000));
    slow.resume();
    await eventually(() => expect(slow.about("large").at(-1)?.type).toBe("complete"), 10_000);
    expect(slow.about("large").filter(isReceived).length).toBeLessThan(messages); // the rest of what the network had taken already
    await slow.close();
  });

  test("is cut off when it answers no ping, and one that answers stays", async () => {
    const strict = await startTestApp({ beside: app, limits: { pingSeconds: 0.5 } });
    const [gone, there] = [await RawSocket.open(strict.url), await RawSocket.open(strict.url)];
    for (const socket of [gone, there]) await init(socket, maria);
    gone.pause();
    await eventually(() => isClosed(gone));
    expect(await gone.closed).toBe(1006);
    await there.say({ type: "ping" });
    await eventually(() => expect(there.heard).toContainEqual({ type: "pong" }));
    await there.close();
    await strict.close();
  });

  test("is not heard until it has read the answers to what it asked before", async () => {
    const [mute, reader] = [await RawSocket.open(app.url), await RawSocket.open(app.url)];
    for (const socket of [mute, reader]) await init(socket, maria);
    const pings = Array.from({ length: 120 }, () => ({ type: "ping", payload: { text: "x".repeat(200_000) } }));
    mute.pause();
    const said = pings.map((ping) => mute.say(ping));
    for (const ping of pings) await reader.say(ping);
    await eventually(() => expect(reader.heard.filter(({ type }) => type === "pong")).toHaveLength(pings.length));
    expect(mute.unsent).toBeGreaterThan(0); // of 24 MB; half of it, at most, is in the network's own buffers
    mute.resume();
    await Promise.all(said);
    await eventually(() => expect(mute.heard.filter(({ type }) => type === "pong")).toHaveLength(pings.length));
    await Promise.all([mute.close(), reader.close()]);
  });

  test("does not keep the server from closing", async () => {
    const third = await startTestApp({ beside: app });
    const [slow, quick] = [await RawSocket.open(third.url), await RawSocket.open(third.url)];
    for (const socket of [slow, quick]) await init(socket, maria);
    slow.pause();
    const began = performance.now();
    await third.close();
    expect(performance.now() - began).toBeLessThan(5000);
    expect(await quick.closed).toBe(1001);
    await slow.close();
  });
});

describe("it ends", () => {
  test("on both processes within seconds when a hold on the mailbox ends, and not for who still holds it", async () => {
    const [staying, ...lives] = teamLives;
    const endings = lives.map((live) => live.next());
    await sql(app, "update mailbox_holders set ends_at = $3 where mailbox_id = $1 and account_id = $2", [team.mailboxKey, dan.accountId, app.clock.now()]);
    const began = performance.now();
    expect(await Promise.all(endings)).toEqual([null, null]);
    expect(performance.now() - began).toBeLessThan(3000);
    await expect(established(team.mailboxId, team.address, dan.client)).rejects.toThrow("NOT_FOUND");
    await send(maria, [team.address]);
    while ((await staying?.next())?.mailboxChanged.cursor !== (await fetchState(erin.client, team.mailboxId)).cursor);
    await close(...teamLives);
  });

  test.each<[string, (leaver: SignedInPerson, other: Client) => Promise<unknown>]>([
    [
      "is revoked from another device",
      async (leaver, other) => other.run(RevokeSessionDocument, { input: { sessionId: await currentSession(leaver.client) } }),
    ],
    ["signs out", (leaver) => leaver.client.run(SignOutDocument, {})],
    ["belongs to an account that was disabled", ({ accountId }) => disable(accountId)],
    ["has been unused for an hour", async () => app.clock.advance(HOUR)],
    ["is twelve hours old", useFor(12 * HOUR)],
  ])("on both processes within two seconds, with 4403, when its session %s", async (_, endSession) => {
    [erin, maria] = await Promise.all([signedInAgain(erin), signedInAgain(maria)]);
    const leaver = await member(app, `leaver-${randomBytes(4).toString("hex")}`);
    const other = await Client.signIn(app.url, leaver.userId, PASSWORD);
    const lives = await established(leaver.mailboxId, leaver.address, leaver.client, new Client(beside.url, leaver.client.token));
    const endings = lives.map((live) => expect(live.next()).rejects.toMatchObject({ code: 4403 }));
    await endSession(leaver, other);
    const began = performance.now();
    await Promise.all(endings);
    expect(performance.now() - began).toBeLessThan(2000);
    for (const process of [app, beside]) {
      const socket = await RawSocket.open(process.url);
      await socket.say({ type: "connection_init", payload: { authorization: `Bearer ${leaver.client.token ?? ""}` } });
      expect(await socket.closed).toBe(4403);
    }
    await close(...lives);
  });

  test("for that one session only", async () => {
    [erin, maria] = await Promise.all([signedInAgain(erin), signedInAgain(maria)]);
    const phone = await signedInAgain(maria);
    const [onPhone, here, there] = await established(maria.mailboxId, maria.address, phone.client, maria.client, new Client(beside.url, maria.client.token));
    const ending = expect(onPhone?.next()).rejects.toMatchObject({ code: 4403 });
    await phone.client.run(SignOutDocument, {});
    await ending;
    await send(erin, [maria.address]);
    expect((await here?.next())?.mailboxChanged.__typename).toBe("MessageReceived");
    expect((await there?.next())?.mailboxChanged.__typename).toBe("MessageReceived");
    await close(onPhone, here, there);
  });
});

test("a socket that never says who it is, is closed with 4408", async () => {
  expect(await silent.closed).toBe(4408);
});

async function init(socket: RawSocket, { client }: SignedInPerson): Promise<void> {
  await socket.say({ type: "connection_init", payload: { authorization: `Bearer ${client.token ?? ""}` } });
  await eventually(() => expect(socket.heard).toEqual([{ type: "connection_ack" }]));
}

/** A subscription to a mailbox for each client, surely running: each has shown the message that was sent for it. */
async function established(mailboxId: string, address: string, ...clients: Client[]): Promise<Live[]> {
  const before = await sql<{ last_sequence: number }>(app, "select last_sequence from mailboxes where address = $1", [address]);
  await send(erin, [address]);
  const after = feedCursor(before[0]?.last_sequence ?? 0);
  const lives = clients.map((client) => client.subscribe(Feed, { mailboxId, after }));
  for (const live of lives) expect((await live.next())?.mailboxChanged.__typename).toBe("MessageReceived");
  return lives;
}

type Live = Subscription<{ mailboxChanged: FeedEvent }>;

async function close(...lives: (Live | undefined)[]): Promise<void> {
  await Promise.all(lives.filter((live) => live !== undefined).map((live) => live.close()));
}

async function signedInAgain(person: SignedInPerson): Promise<SignedInPerson> {
  return { ...person, client: await Client.signIn(app.url, person.userId, PASSWORD) };
}

function disable(accountId: string): Promise<unknown> {
  return sql(app, "update accounts set disabled_at = $2 where id = $1", [accountId, app.clock.now()]);
}

/** Lets so much time go by, in which the session is used again and again. */
function useFor(time: number) {
  return async ({ client, mailboxId }: SignedInPerson): Promise<void> => {
    for (const end = app.clock.now().getTime() + time; app.clock.now().getTime() < end;) {
      await fetchState(client, mailboxId);
      app.clock.advance(HOUR / 2);
    }
  };
}

/** Fails as long as the server keeps a socket open; a socket that does not read learns of its end by writing. */
async function isClosed(socket: RawSocket): Promise<void> {
  await socket.say({ type: "pong" }).catch(() => undefined);
  expect(socket.isOpen).toBe(false);
}

function isReceived({ payload }: ServerMessage): boolean {
  return payload?.data?.mailboxChanged?.__typename === "MessageReceived";
}

async function currentSession(client: Client): Promise<string> {
  const { sessions } = await client.run(SessionsDocument, {});
  return sessions.find(({ isCurrent }) => isCurrent)?.id ?? "";
}
