import { Client as Postgres } from "pg";
import { encodeCursor } from "../../src/graphql/connection.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { type Route, routeTo } from "../support/lost-database.ts";
import { sendMessage } from "../support/mail.ts";
import { employee, member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { RawSocket } from "../support/raw-socket.ts";
import { sql } from "../support/sql.ts";

/** Within so long a request is answered and, once the database is back, all is well again; and a second for a busy machine. */
const SOON_MS = 5000 + 1000;

let database: TestDatabase;
let route: Route;
let app: TestApp;
let maria: SignedInPerson;

beforeAll(async () => {
  database = await createDatabase();
  route = await routeTo(database.url);
  app = await startTestApp({ config: { databaseUrl: route.url } });
  maria = await member(app, "maria");
  await sendMessage(maria, { to: [(await employee(app, "erin")).address] });
});

afterAll(async () => {
  await app.close();
  await route.close();
  await database.drop();
});

const SAVE_DRAFT = "mutation ($id: ID!) { saveDraft(input: { mailboxId: $id }) { __typename ... on Problem { code retryAfter } } }";
const SIGN_IN = `mutation { signIn(input: { userId: "maria", password: "${PASSWORD}" }) { __typename ... on Problem { code retryAfter } } }`;
const FEED = "subscription ($id: ID!, $after: String) { mailboxChanged(mailboxId: $id, after: $after) { cursor } }";

/** Whatever a server may be asked; each answers whether it said that it is unavailable. */
const requests: Record<string, () => Promise<boolean>> = {
  "a query": async () => isUnavailable(await maria.client.send("{ viewer { mailboxes { id } } }")),
  "a mutation": async () => isUnavailable(await maria.client.send(SAVE_DRAFT, { id: maria.mailboxId })),
  "signing in": async () => isUnavailable(await new Client(app.url).send(SIGN_IN)),
  "an upload": async () =>
    isUnavailable(await maria.client.upload("a.txt", "A file.").catch((error: unknown) => (error instanceof Error ? { failed: error.message } : {}))),
  "a download": async () => (await maria.client.download("/attachments/BwGcrcaagHEBk1ALKhcJZ8w")).status === 503,
  "the question whether it is ready": async () => (await fetch(`${app.url}/health/ready`)).status === 503,
  "a socket": async () => {
    const socket = await RawSocket.open(app.url);
    let isClosed = false;
    void socket.closed.then(() => (isClosed = true));
    await socket.say({ type: "connection_init", payload: { authorization: `Bearer ${maria.client.token ?? ""}` } });
    await eventually(() => expect(isClosed || socket.heard.length > 0).toBe(true));
    if (isClosed) return true;
    await socket.subscribe("1", FEED, { id: maria.mailboxId, after: encodeCursor("feed", 0) });
    await eventually(() => expect(socket.about("1")).not.toEqual([]));
    await socket.close();
    return isUnavailable(socket.about("1"));
  },
};

test("a server that is well says that it lives and that it is ready, and keeps quiet about the rest", async () => {
  expect(await answerOf("/health/live")).toEqual({ status: 200, body: { status: "live" } });
  expect(await answerOf("/health/ready")).toEqual({ status: 200, body: { status: "ready" } });
  await everythingWorks();
});

test("a server whose database has not been migrated lives but is not ready", async () => {
  const [migration] = await sql<{ timestamp: number; name: string }>(
    app,
    "delete from migrations where id = (select max(id) from migrations) returning timestamp, name",
  );
  expect(await answerOf("/health/ready")).toEqual({ status: 503, body: { status: "not ready" } });
  expect(await answerOf("/health/live")).toEqual({ status: 200, body: { status: "live" } });
  await sql(app, "insert into migrations (timestamp, name) values ($1, $2)", [migration?.timestamp, migration?.name]);
  expect(await answerOf("/health/ready")).toEqual({ status: 200, body: { status: "ready" } });
});

test.each<[what: string, lose: () => Promise<void> | void, restore: () => Promise<void> | void]>([
  ["cannot be reached", () => route.cut(), () => route.restore()],
  ["does not answer", () => route.freeze(), () => route.restore()],
  ["throws everybody out and is gone", () => rename("", "_away"), () => rename("_away", "")],
])("while its database %s a server lives and says soon that it is unavailable; then it heals by itself", async (_what, lose, restore) => {
  await lose();
  try {
    const answers = await Promise.all(
      Object.entries(requests).map(async ([request, ask]) => {
        const began = performance.now();
        return { request, unavailable: await ask(), soon: performance.now() - began < SOON_MS };
      }),
    );
    expect(answers).toEqual(Object.keys(requests).map((request) => ({ request, unavailable: true, soon: true })));
    expect(await answerOf("/health/live")).toEqual({ status: 200, body: { status: "live" } });
  } finally {
    await restore();
  }
  await eventually(everythingWorks, SOON_MS);
});

async function everythingWorks(): Promise<void> {
  for (const [request, ask] of Object.entries(requests)) expect({ request, unavailable: await ask() }).toEqual({ request, unavailable: false });
}

async function answerOf(path: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${app.url}${path}`);
  return { status: response.status, body: await response.json() };
}

/** Whether an answer says UNAVAILABLE and when to come back, and nothing of a fault of ours. */
function isUnavailable(answer: unknown): boolean {
  const text = JSON.stringify(answer);
  expect(text).not.toContain("INTERNAL");
  return text.includes('"UNAVAILABLE"');
}

/** Gives the database another name, so that nobody finds it; whoever is in it is thrown out. */
async function rename(from: string, to: string): Promise<void> {
  const server = new URL(database.url);
  const name = server.pathname.slice(1);
  server.pathname = "/postgres";
  const admin = new Postgres({ connectionString: server.href });
  await admin.connect();
  await admin.query(`alter database ${name}${from} with allow_connections false`);
  await admin.query("select pg_terminate_backend(pid, 1000) from pg_stat_activity where datname = $1", [name + from]);
  await admin.query(`alter database ${name}${from} rename to ${name}${to}`);
  await admin.query(`alter database ${name}${to} with allow_connections true`);
  await admin.end();
}
