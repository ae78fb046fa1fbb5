import {
  MailboxChangedDocument,
  RevokeDeviceDocument,
  RevokeOtherSessionsDocument,
  RevokeSessionDocument,
  SessionsOnDevicesDocument,
  SignOutDocument,
  ViewerDocument,
} from "../../operations/generated/operations.ts";
import { endSessions } from "../../src/accounts/end-access.ts";
import { HOUR } from "../../src/clock.ts";
import { decodeAnyId } from "../../src/graphql/node-id.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { createPerson, member, PASSWORD, type TestPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
let other: TestApp;

beforeAll(async () => {
  app = await startTestApp();
  other = await startTestApp({ beside: app });
});

afterAll(async () => {
  await other.close();
  await app.close();
});

const isAlive = async (client: Client): Promise<boolean> => (await client.run(ViewerDocument, {})).viewer !== null;
/** The same session, used on the other node. */
const there = ({ token }: Client): Client => new Client(other.url, token);

test("each signing-in has a token of its own, and none that came before opens anything after it ended", async () => {
  await createPerson(app, "anew");
  const first = await Client.signIn(app.url, "anew", PASSWORD);
  await first.run(SignOutDocument, {});
  const second = await Client.signIn(app.url, "anew", PASSWORD);
  expect(second.token).not.toBe(first.token);
  expect([await isAlive(first), await isAlive(second)]).toEqual([false, true]);
});

/** How somebody's session can end while they use it elsewhere: by themselves on the first node, or by the operator. */
const endings: Record<string, (person: TestPerson, session: Client, another: Client) => Promise<unknown>> = {
  "signing out": async (_person, session) => session.run(SignOutDocument, {}),
  "being revoked": async (_person, session, another) => {
    const { sessions } = await session.run(SessionsOnDevicesDocument, {});
    return another.run(RevokeSessionDocument, { input: { sessionId: sessions.find(({ isCurrent }) => isCurrent)?.id ?? "" } });
  },
  "its device being revoked": async (_person, session, another) => {
    const { sessions } = await session.run(SessionsOnDevicesDocument, {});
    return another.run(RevokeDeviceDocument, { input: { deviceId: sessions.find(({ isCurrent }) => isCurrent)?.device?.id ?? "" } });
  },
  "ending all others": async (_person, _session, another) => another.run(RevokeOtherSessionsDocument, {}),
  "what a new password does": async ({ accountId }, _session, another) => {
    return endSessions(app.ctx(), accountId, { except: await keyOfCurrent(another) });
  },
  "disabling the account": async ({ accountId }) => sql(app, "update accounts set disabled_at = $1 where id = $2", [app.clock.now(), accountId]),
};

test.each(Object.entries(endings))("%s ends a session on every node within two seconds, and the sockets that are open there", async (name, end) => {
  const person = await createPerson(app, `ends-by-${name.replaceAll(" ", "-")}`);
  const session = await Client.signIn(app.url, person.userId, PASSWORD);
  const another = await Client.signIn(app.url, person.userId, PASSWORD);
  const subscription = there(session).subscribe(MailboxChangedDocument, { mailboxId: person.mailboxId });
  const closing = subscription.next().then(
    () => "something came",
    () => "closed",
  );
  for (let n = 0; n < 3; n += 1) expect([await isAlive(session), await isAlive(there(session))]).toEqual([true, true]); // Both nodes know it well
  const start = performance.now();
  await end(person, session, another);
  await eventually(async () => expect([await isAlive(session), await isAlive(there(session))]).toEqual([false, false]), 2000);
  expect(await closing).toBe("closed");
  expect(performance.now() - start).toBeLessThan(2500);
  expect(await there(session).refusals("{ sessions { id } }")).toEqual(["UNAUTHENTICATED"]);
  if (name !== "disabling the account") expect([await isAlive(another), await isAlive(there(another))]).toEqual([true, true]);
});

test("ending all others says how many there were and leaves other people's alone", async () => {
  const { client: bystander } = await member(app, "bystander");
  const person = await createPerson(app, "tidy");
  const sessions = await Promise.all(Array.from({ length: 4 }, () => Client.signIn(app.url, "tidy", PASSWORD)));
  const [here] = sessions;
  if (here === undefined) throw new Error("Nobody signed in");
  const known = (await eventsOf(app)).length;
  expect(await here.run(RevokeOtherSessionsDocument, {})).toEqual({ revokeOtherSessions: { revokedAt: START.toISOString(), revokedCount: 3 } });
  expect(await Promise.all(sessions.map(isAlive))).toEqual([true, false, false, false]);
  expect(await isAlive(bystander)).toBe(true);
  expect((await eventsOf(app)).slice(known).map(({ action, actor_id }) => ({ action, actor_id }))).toEqual(
    Array(3).fill({ action: "session.ended", actor_id: person.accountId }),
  );
  expect(await here.run(RevokeOtherSessionsDocument, {})).toMatchObject({ revokeOtherSessions: { revokedCount: 0 } });
});

test("a session ends on every node when it is idle for an hour, or twelve hours old", async () => {
  const { client } = await member(app, "on-both-nodes");
  for (let hours = 0; hours < 11.5; hours += 0.5) {
    app.clock.advance(HOUR / 2);
    expect(await isAlive(hours % 1 === 0 ? client : there(client))).toBe(true);
  }
  app.clock.advance(HOUR / 2);
  expect([await isAlive(client), await isAlive(there(client))]).toEqual([false, false]);
  const { client: idle } = await member(app, "idle-on-both-nodes");
  app.clock.advance(HOUR);
  expect([await isAlive(idle), await isAlive(there(idle))]).toEqual([false, false]);
});

async function keyOfCurrent(client: Client): Promise<string> {
  const { sessions } = await client.run(SessionsOnDevicesDocument, {});
  const { uuids: [uuid = ""] = [] } = decodeAnyId(sessions.find(({ isCurrent }) => isCurrent)?.id ?? "") ?? {};
  return uuid;
}
