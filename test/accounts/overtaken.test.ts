import type { PoolClient } from "pg";
import { CreateAccessTokenDocument } from "../../operations/generated/operations.ts";
import { hashPassword } from "../../src/accounts/password.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";

let app: TestApp;
let maria: SignedInPerson;
let owner: PoolClient;

beforeEach(async () => {
  app = await startTestApp();
  maria = await member(app, "maria");
  owner = await app.owner.connect();
});

afterEach(async () => {
  owner.release();
  await app.close();
});

/** Changes the account while something that was begun before waits for its row. */
async function whileWaiting<T>(work: Promise<T>, change: () => Promise<unknown>): Promise<T> {
  await eventually(async () =>
    expect(await sql(app, "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")).not.toHaveLength(0),
  );
  await change();
  await owner.query("commit");
  return work;
}

async function lock(): Promise<void> {
  await owner.query("begin");
  await owner.query("select from accounts where id = $1 for update", [maria.accountId]);
}

const SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { __typename ... on Problem { code } } }";
const input = { userId: "maria", password: PASSWORD };

async function liveSessions(): Promise<number> {
  return (await sql(app, "select from sessions where account_id = $1 and revoked_at is null", [maria.accountId])).length;
}

test("a sign-in that a new password overtakes begins no session", async () => {
  const before = await liveSessions();
  expect((await new Client(app.url).send(SIGN_IN, { input })).data).toMatchObject({ signIn: { __typename: "SignInPayload" } });
  await lock();
  const signIn = new Client(app.url).send(SIGN_IN, { input });
  const passwordHash = await hashPassword("another kettle runs south");
  const answer = await whileWaiting(signIn, () => owner.query("update accounts set password_hash = $2 where id = $1", [maria.accountId, passwordHash]));
  expect(answer.data).toMatchObject({ signIn: { code: "INVALID_CREDENTIALS" } });
  expect(await liveSessions()).toBe(before + 1);
});

test("a sign-in that is overtaken by the account's being disabled begins no session", async () => {
  const before = await liveSessions();
  await lock();
  const signIn = new Client(app.url).send(SIGN_IN, { input });
  const answer = await whileWaiting(signIn, () => owner.query("update accounts set disabled_at = $2 where id = $1", [maria.accountId, app.clock.now()]));
  expect(answer.data).toMatchObject({ signIn: { code: "INVALID_CREDENTIALS" } });
  expect(await liveSessions()).toBe(before);
});

test("a session that ends while it makes an access token leaves none behind", async () => {
  const wanted = { input: { name: "Script", scopes: ["READ" as const], expiresInDays: 365 } };
  expect((await maria.client.run(CreateAccessTokenDocument, wanted)).createAccessToken).toHaveProperty("token");
  await lock();
  const making = maria.client.run(CreateAccessTokenDocument, wanted);
  const answer = await whileWaiting(making, () => owner.query("update sessions set revoked_at = $2 where account_id = $1", [maria.accountId, app.clock.now()]));
  expect(answer.createAccessToken).toMatchObject({ code: "STEP_UP_REQUIRED" });
  expect(await sql(app, "select from access_tokens where account_id = $1", [maria.accountId])).toHaveLength(1);
});
