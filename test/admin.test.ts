import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { AcceptInvitationDocument, CreateAccessTokenDocument, PeopleDocument, ViewerDocument } from "../operations/generated/operations.ts";
import { AccountKind } from "../src/accounts/account.ts";
import { startTestApp, type TestApp } from "./support/app.ts";
import { Client } from "./support/client.ts";
import { createDatabase } from "./support/database.ts";
import { eventually } from "./support/eventually.ts";
import { createPerson, PASSWORD } from "./support/people.ts";
import { eventsOf, sql } from "./support/sql.ts";

const run = promisify(execFile);
const CHOSEN = "violet harbour ladder seven quilts";
const ANNA = ["create", "--user-id", "Anna.Berg", "--address", "anna.berg@insurer.example", "--name", "Anna Berg"];
let app: TestApp;

beforeAll(async () => {
  app = await startTestApp({ startAt: new Date() }); // The command line goes by the real time
});

afterAll(() => app.close());

test("the first administrator gets a link, once, chooses a password with it, and administers", async () => {
  const said = await admin(...ANNA);
  expect(said).toMatch(/^anna\.berg chooses a password here, once, within 7 days\. .*\nhttps:\/\/mail\.insurer\.example\/welcome#token=[\w-]{22}\n$/);
  await expect(admin(...ANNA)).rejects.toThrow("There is an account anna.berg already. For a fresh link: reset anna.berg");

  expect(await accept(said, "somebody.else", CHOSEN)).toMatchObject({ code: "INVALID_INPUT", field: "userId" });
  expect(await accept(said, null, CHOSEN)).toEqual({ userId: "anna.berg" });
  expect(await accept(said, null, CHOSEN)).toMatchObject({ code: "INVALID_CODE" });
  const anna = await Client.signIn(app.url, "anna.berg", CHOSEN);
  const { people } = await anna.run(PeopleDocument, { filter: null, first: null, after: null });
  expect(people?.edges.map(({ node }) => node)).toMatchObject([{ userId: "anna.berg", displayName: "Anna Berg", kind: "ADMINISTRATOR", state: "ACTIVE" }]);

  const second = ["create", "--user-id", "second", "--address", "second@insurer.example", "--name", "Second"];
  await expect(admin(...second)).rejects.toThrow(
    "There is an administrator already, anna.berg, who can invite others. If they are locked out: reset anna.berg",
  );
  expect((await eventsOf(app)).filter(({ action }) => action.startsWith("invitation."))).toMatchObject([
    { action: "invitation.sent", actor_id: null, code: "ADMINISTRATOR" },
    { action: "invitation.accepted" },
  ]);
  expect(await sql(app, "select from mails")).toEqual([]);
}, 120_000);

test("an administrator who is locked out is reset: password, second factors, sessions, tokens and sockets are dead, and a new link sets a password", async () => {
  const { accountId } = await createPerson(app, "locked", AccountKind.ADMINISTRATOR);
  const old = await Client.signIn(app.url, "locked", PASSWORD);
  const { createAccessToken } = await old.run(CreateAccessTokenDocument, { input: { name: "Script", scopes: ["READ"], expiresInDays: 1 } });
  const script = new Client(app.url, "token" in createAccessToken ? createAccessToken.token : "");
  for (const client of [old, script]) expect((await client.run(ViewerDocument, {})).viewer).not.toBeNull();
  app.clock.moveTo(new Date());
  await sql(app, "update accounts set second_factor_at = $2 where id = $1", [accountId, app.clock.now()]);
  await sql(app, "insert into recovery_codes (account_id, code_hash, created_at) values ($1, 'x', $2)", [accountId, app.clock.now()]);
  await sql(app, "insert into totp_secrets (id, account_id, secret, created_at, confirmed_at) values ($1, $1, 'x', $2, $2)", [accountId, app.clock.now()]);

  const said = await admin("reset", "LOCKED");
  for (const client of [old, script]) await eventually(async () => expect((await client.run(ViewerDocument, {})).viewer).toBeNull(), 2000);
  await expect(Client.signIn(app.url, "locked", PASSWORD)).rejects.toThrow("INVALID_CREDENTIALS");
  expect(await sql(app, "select second_factor_at from accounts where id = $1", [accountId])).toEqual([{ second_factor_at: null }]);
  for (const table of ["totp_secrets", "recovery_codes", "passkeys"])
    expect(await sql(app, `select from ${table} where account_id = $1`, [accountId])).toEqual([]);
  const again = await admin("reset", "locked");
  expect(await accept(said, null, CHOSEN)).toMatchObject({ code: "INVALID_CODE" });
  expect(await accept(again, null, CHOSEN)).toEqual({ userId: "locked" });
  expect(await Client.signIn(app.url, "locked", CHOSEN)).toBeInstanceOf(Client);
  expect((await eventsOf(app)).filter(({ action }) => action === "account.reset")).toEqual(
    Array.from({ length: 2 }, () => ({ action: "account.reset", actor_id: null, subject_id: accountId, message_id: null, code: null })),
  );
}, 120_000);

test("what cannot be done is said in one line, or with the list of what can", async () => {
  await createPerson(app, "erin", AccountKind.EMPLOYEE);
  await createPerson(app, "gone", AccountKind.ADMINISTRATOR);
  await sql(app, "update accounts set disabled_at = $1 where user_id = 'gone'", [app.clock.now()]);
  await expect(admin("reset", "nobody")).rejects.toThrow("There is no account nobody.");
  await expect(admin("reset", "erin")).rejects.toThrow("erin is no administrator. An administrator can help them.");
  await expect(admin("reset", "gone")).rejects.toThrow("gone is disabled. Another administrator must enable the account first.");
  await expect(admin("create", "--user-id", "x y", "--address", "x@insurer.example", "--name", "X")).rejects.toThrow("Choose a user ID of 3 to 64");
  await expect(admin("create", "--user-id", "xyz", "--address", "x@evil.example", "--name", "X")).rejects.toThrow("one of the organisation's own domains");
  for (const wrong of [
    ["delete", "x"],
    ["reset", "x", "--force"],
    ["create", "--user-id", "x", "--name", "X"],
  ])
    await expect(admin(...wrong)).rejects.toThrow(/^npm run admin -- create .*\n(npm run admin -- .*\n)$/);
}, 120_000);

test("a database that is not up to date, or none, is refused before anything is written", async () => {
  const empty = await createDatabase("template1");
  try {
    await expect(adminOn(empty.url, ANNA)).rejects.toThrow("The database is not up to date.");
    await expect(adminOn("", ANNA)).rejects.toThrow("Set DATABASE_URL");
  } finally {
    await empty.drop();
  }
}, 120_000);

/** Runs `npm run admin -- ...` as an operator does; throws what it complains about. */
function admin(...command: string[]): Promise<string> {
  return adminOn(app.databaseUrl, command);
}

async function adminOn(databaseUrl: string, command: string[]): Promise<string> {
  const production = {
    NODE_ENV: "production",
    DATABASE_URL: databaseUrl,
    PUBLIC_URL: "https://mail.insurer.example",
    SECRET_KEY: Buffer.alloc(32, 7).toString("base64"), // As the server of the tests has it
    AUDIT_SIGNING_KEY: "not read here",
    SMTP_URL: "smtp://localhost:1",
    MAIL_FROM: "no-reply@insurer.example",
    KEYRING: `file:${path.join(app.dataDir, "master-keys")}`,
    ORGANISATION_NAME: "Example Health",
    ORGANISATION_DOMAINS: "insurer.example",
  };
  const env = { PATH: process.env.PATH, DATA_DIR: app.dataDir, ...(databaseUrl === "" ? {} : production) };
  const { stdout } = await run(process.execPath, ["--import", "tsx", "src/admin.ts", ...command], { cwd: path.join(import.meta.dirname, ".."), env }).catch(
    (error: { stderr: string }) => {
      throw new Error(error.stderr);
    },
  );
  return stdout;
}

async function accept(said: string, userId: string | null, password: string) {
  const token = /#token=([\w-]+)/.exec(said)?.[1] ?? "";
  const input = { token, userId, password, personalPhrase: null, language: null };
  return (await new Client(app.url).run(AcceptInvitationDocument, { input })).acceptInvitation;
}
