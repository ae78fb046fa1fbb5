import { hash } from "argon2";
import { createServer } from "node:net";
import { RevokeSessionDocument, SessionsDocument, SignInDocument, SignOutDocument, ViewerDocument } from "../../operations/generated/operations.ts";
import { HOUR, MINUTE, SECOND } from "../../src/clock.ts";
import { encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { Client } from "../support/client.ts";
import { createPerson, employee, member, PASSWORD, signedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

afterAll(() => app.close());

test("signing in answers with a token, its end and the account, and the token opens everything", async () => {
  const maria = await createPerson(app, "maria");
  const anonymous = new Client(app.url);
  expect(await anonymous.run(ViewerDocument, {})).toEqual({ viewer: null });
  expect(await anonymous.send("{ sessions { id } }")).toMatchObject({ status: 401, errors: [{ extensions: { code: "UNAUTHENTICATED" } }] });

  const { signIn } = await anonymous.run(SignInDocument, { input: { userId: "maria", password: PASSWORD } });
  expect(signIn).toEqual({
    token: expect.stringMatching(/^[\w-]{43}$/),
    expiresAt: new Date(app.clock.now().getTime() + 12 * HOUR).toISOString(),
    account: { id: encodeId("Account", maria.accountId), userId: "maria", displayName: "Test maria", address: maria.address, kind: "MEMBER" },
  });
  const client = new Client(app.url, "token" in signIn ? signIn.token : null);
  const { viewer } = await client.run(ViewerDocument, {});
  expect(viewer?.account).toMatchObject({ userId: "maria", lastSignedInAt: app.clock.now().toISOString() });
  expect(viewer?.mailboxes.map(({ id }) => id)).toEqual([maria.mailboxId]);
});

test("a user ID is the same in upper and lower case, a password is not", async () => {
  await createPerson(app, "Upper.Case");
  expect(await codeOf("  uPPER.cASE ", PASSWORD)).toBeNull();
  expect(await codeOf("upper.case", PASSWORD.toUpperCase())).toBe("INVALID_CREDENTIALS");
  expect(await codeOf("upper.case", `${PASSWORD} `)).toBe("INVALID_CREDENTIALS");
});

test("a wrong password, an unknown user ID and a disabled account get one and the same answer", async () => {
  await createPerson(app, "known");
  await createPerson(app, "disabled");
  expect(await codeOf("known", PASSWORD)).toBeNull();
  expect(await codeOf("disabled", PASSWORD)).toBeNull();
  await sql(app, "update accounts set disabled_at = $1 where user_id = 'disabled'", [app.clock.now()]);

  const wrongPassword = await answerTo("known", "a wrong password");
  expect(wrongPassword).toMatchObject({ status: 200, body: { data: { signIn: { code: "INVALID_CREDENTIALS" } } } });
  expect(wrongPassword.headers).not.toHaveProperty("set-cookie");
  for (const [userId, password] of [
    ["nobody", PASSWORD],
    ["disabled", PASSWORD],
    ["known", `${PASSWORD}${"x".repeat(2000)}`],
    ["", PASSWORD],
    ["known", ""],
    ["known\0", PASSWORD],
    ["nob\0dy", PASSWORD],
    ["' or true --", PASSWORD],
    ["x".repeat(100_000), PASSWORD],
  ] as const) {
    expect({ userId: userId.slice(0, 20), ...(await answerTo(userId, password)) }).toEqual({ userId: userId.slice(0, 20), ...wrongPassword });
  }
});

test("disabling an account ends its sessions within two seconds", async () => {
  const { client, accountId } = await member(app, "leaver");
  expect(await client.run(SessionsDocument, {})).toMatchObject({ sessions: [{ isCurrent: true }] });
  await sql(app, "update accounts set disabled_at = $1 where id = $2", [app.clock.now(), accountId]);
  await eventually(async () => expect(await isAlive(client)).toBe(false), 2000);
});

test("a hash made with weaker parameters is renewed when its owner signs in, and only then", async () => {
  const { accountId } = await createPerson(app, "old-timer");
  const hashOf = async (): Promise<string | undefined> =>
    (await sql<{ password_hash: string }>(app, "select password_hash from accounts where id = $1", [accountId]))[0]?.password_hash;
  const today = await hashOf();
  expect(await codeOf("old-timer", PASSWORD)).toBeNull();
  expect(await hashOf()).toBe(today);

  const weak = await hash(PASSWORD, { memoryCost: 8192, timeCost: 1, parallelism: 1 });
  await sql(app, "update accounts set password_hash = $1 where id = $2", [weak, accountId]);
  expect(await codeOf("old-timer", "a wrong password")).toBe("INVALID_CREDENTIALS");
  expect(await hashOf()).toBe(weak);
  expect(await codeOf("old-timer", PASSWORD)).toBeNull();
  const renewed = await hashOf();
  expect(renewed).not.toBe(weak);
  expect(renewed?.split("$").slice(0, 4)).toEqual(today?.split("$").slice(0, 4)); // Algorithm, version, parameters
  expect(await codeOf("old-timer", PASSWORD)).toBeNull();
  expect(await codeOf("old-timer", "a wrong password")).toBe("INVALID_CREDENTIALS");
});

test("the database keeps no token and no password, only hashes of them", async () => {
  const { client, accountId } = await member(app, "hashed");
  const [kept] = await sql<{ text: string }>(
    app,
    "select row_to_json(a)::text || (select json_agg(s)::text from sessions s where s.account_id = a.id) as text from accounts a where id = $1",
    [accountId],
  );
  const token = client.token ?? "";
  expect(kept?.text).toContain(accountId);
  for (const secret of [PASSWORD, token, Buffer.from(token, "base64url").toString("hex"), Buffer.from(token).toString("hex")]) {
    expect(kept?.text).not.toContain(secret);
  }
});

describe("a session", () => {
  afterEach(() => app.clock.moveTo(START));

  test("ends when it is not used for an hour", async () => {
    const { client } = await member(app, "idler");
    app.clock.advance(HOUR - 1);
    expect(await isAlive(client)).toBe(true);
    app.clock.advance(HOUR - 1);
    expect(await isAlive(client)).toBe(true);
    app.clock.advance(HOUR);
    expect(await isAlive(client)).toBe(false);
    app.clock.advance(-SECOND);
    expect(await isAlive(client)).toBe(true);
  });

  test("ends twelve hours after it began, however much it is used", async () => {
    const { client } = await member(app, "busy");
    for (let minutes = 0; minutes < 12 * 60 - 30; minutes += 30) {
      app.clock.advance(30 * MINUTE);
      expect(await isAlive(client)).toBe(true);
    }
    app.clock.advance(30 * MINUTE - 1);
    expect(await isAlive(client)).toBe(true);
    app.clock.advance(1);
    expect(await isAlive(client)).toBe(false);
  });

  test("that has ended answers like nobody's", async () => {
    const { client } = await member(app, "gone");
    app.clock.advance(2 * HOUR);
    const nobody = await new Client(app.url).send("{ sessions { id } }");
    expect(await client.send("{ sessions { id } }")).toEqual(nobody);
    expect(await client.run(ViewerDocument, {})).toEqual({ viewer: null });
  });

  test("is listed with its client and when it was used, newest first, as long as it lives", async () => {
    const { client: laptop } = await member(app, "two-devices");
    app.clock.advance(MINUTE);
    const answer = await signInWith({ "user-agent": `Phone ${"x".repeat(300)}` }, "two-devices");
    const phone = new Client(app.url, tokenOf(answer));
    app.clock.advance(30 * MINUTE);
    expect((await laptop.run(SessionsDocument, {})).sessions).toEqual([
      {
        id: expect.any(String),
        client: `Phone ${"x".repeat(194)}`,
        createdAt: new Date(START.getTime() + MINUTE).toISOString(),
        lastUsedAt: new Date(START.getTime() + MINUTE).toISOString(),
        expiresAt: new Date(START.getTime() + MINUTE + 12 * HOUR).toISOString(),
        isCurrent: false,
      },
      {
        id: expect.any(String),
        client: "node",
        createdAt: START.toISOString(),
        lastUsedAt: new Date(START.getTime() + 31 * MINUTE).toISOString(),
        expiresAt: new Date(START.getTime() + 12 * HOUR).toISOString(),
        isCurrent: true,
      },
    ]);
    expect((await phone.run(SessionsDocument, {})).sessions.map(({ isCurrent }) => isCurrent)).toEqual([true, false]);
    app.clock.advance(HOUR - MINUTE);
    expect(await isAlive(phone)).toBe(true);
    app.clock.advance(MINUTE);
    expect((await phone.run(SessionsDocument, {})).sessions).toHaveLength(1);
  });
});

describe("the browser's cookie", () => {
  test("is HttpOnly and SameSite, lasts as long as the session, and signs in like the token", async () => {
    await createPerson(app, "browser");
    const answer = await signInWith({}, "browser");
    const [cookie = ""] = answer.cookies;
    expect(answer.cookies).toEqual([cookie, expect.stringMatching(/^device=/)]);
    expect(attributesOf(cookie)).toEqual(["Expires=Mon, 02 Mar 2026 21:00:00 GMT", "HttpOnly", "Path=/", "SameSite=Strict"]);
    const [pair = ""] = cookie.split(";");
    expect(pair).toBe(`session=${tokenOf(answer)}`);
    expect(await userIdOf({ cookie: pair })).toBe("browser");
    expect(await userIdOf({ cookie: `other=1; ${pair}; more=2` })).toBe("browser");
  });

  test("gives way to a bearer token, even one that is wrong", async () => {
    const [cookie = ""] = (await signInWith({}, (await createPerson(app, "with-cookie")).userId)).cookies;
    const { client } = await member(app, "with-token");
    const [pair = ""] = cookie.split(";");
    expect(await userIdOf({ cookie: pair })).toBe("with-cookie");
    expect(await userIdOf({ cookie: pair, authorization: `Bearer ${client.token}` })).toBe("with-token");
    expect(await userIdOf({ cookie: pair, authorization: `Bearer ${"x".repeat(43)}` })).toBeNull();
  });

  test("is taken away by signing out", async () => {
    const answer = await signInWith({}, (await createPerson(app, "cookie-out")).userId);
    const [cookie = ""] = answer.cookies;
    const [pair = ""] = cookie.split(";");
    const response = await post("mutation { signOut { ... on SignOutPayload { signedOutAt } } }", {}, { cookie: pair });
    expect(await response.json()).toMatchObject({ data: { signOut: { signedOutAt: app.clock.now().toISOString() } } });
    const [cleared = ""] = response.headers.getSetCookie();
    expect(cleared).toMatch(/^session=;/);
    expect(attributesOf(cleared)).toContain("Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    expect(await userIdOf({ cookie: pair })).toBeNull();
  });

  test("is pinned to its host where the address is https", async () => {
    const port = await freePort();
    const secure = await startTestApp({ beside: app, config: { port, publicUrl: "https://mail.insurer.example" } });
    try {
      const { cookies } = await signInWith({}, (await createPerson(app, "secure")).userId, `http://127.0.0.1:${port}`);
      expect(cookies).toEqual([expect.stringMatching(/^__Host-session=/), expect.stringMatching(/^__Host-device=/)]);
      for (const cookie of cookies) {
        expect(attributesOf(cookie)).toEqual(expect.arrayContaining(["Secure", "HttpOnly", "Path=/", "SameSite=Strict"]));
        expect(cookie).not.toMatch(/domain/i);
      }
    } finally {
      await secure.close();
    }
  });
});

test("only a bearer token of the right form in its header is looked at", async () => {
  const { client } = await member(app, "bearer");
  const token = client.token ?? "";
  expect(await userIdOf({ authorization: `Bearer ${token}` })).toBe("bearer");
  expect(await userIdOf({ authorization: `bearer ${token}` })).toBe("bearer");
  for (const authorization of [
    `Basic ${token}`,
    token,
    `Bearer ${token}x`,
    `Bearer ${token.slice(1)}`,
    "Bearer",
    `Bearer ${token} ${token}`,
    `Bearer "${token}"`,
  ]) {
    expect({ authorization, userId: await userIdOf({ authorization }) }).toEqual({ authorization, userId: null });
  }
  const inAddress = await fetch(`${app.url}/graphql?access_token=${token}&token=${token}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: "{ viewer { account { userId } } }", token }),
  });
  expect(await inAddress.json()).toMatchObject({ data: { viewer: null } });
});

test("signing out ends this session and no other", async () => {
  const { client: here } = await member(app, "signs-out");
  const there = await Client.signIn(app.url, "signs-out", PASSWORD);
  expect((await here.run(SignOutDocument, {})).signOut).toEqual({ signedOutAt: app.clock.now().toISOString(), redirectUrl: null });
  expect(await isAlive(here)).toBe(false);
  expect(await isAlive(there)).toBe(true);
});

test("a session can be revoked by its owner only, and a stranger's is like one that never was", async () => {
  const { client: owner } = await member(app, "owner");
  const phone = await Client.signIn(app.url, "owner", PASSWORD);
  const { client: stranger } = await employee(app, "stranger");
  const sessionId = (await phone.run(SessionsDocument, {})).sessions.find(({ isCurrent }) => isCurrent)?.id ?? "";

  const foreign = await stranger.run(RevokeSessionDocument, { input: { sessionId } });
  expect(foreign).toMatchObject({ revokeSession: { code: "NOT_FOUND", field: "sessionId" } });
  for (const id of [encodeId("Session", newId(START)), encodeId("Account", newId(START)), "nonsense", ""]) {
    expect(await stranger.run(RevokeSessionDocument, { input: { sessionId: id } })).toEqual(foreign);
  }
  expect(await isAlive(phone)).toBe(true);

  expect(await owner.run(RevokeSessionDocument, { input: { sessionId } })).toEqual({ revokeSession: { revokedAt: app.clock.now().toISOString() } });
  expect(await isAlive(phone)).toBe(false);
  expect(await isAlive(owner)).toBe(true);
  expect((await owner.run(SessionsDocument, {})).sessions.map(({ isCurrent }) => isCurrent)).toEqual([true]);
  expect(await owner.run(RevokeSessionDocument, { input: { sessionId } })).toEqual(foreign);
});

test("signing in, being refused and signing out stand in the ledger, without a word that was typed", async () => {
  const known = (await eventsOf(app)).length;
  const { client, accountId } = await signedInPerson(app, "recorded");
  await answerTo("a-secret-user-id", "a secret password");
  await client.run(SignOutDocument, {});
  const events = (await eventsOf(app)).slice(known);
  const sessionId = events[0]?.subject_id;
  expect(sessionId).toEqual(expect.any(String));
  expect(events).toEqual([
    { action: "session.started", actor_id: accountId, subject_id: sessionId, message_id: null, code: "PASSWORD" },
    { action: "request.refused", actor_id: null, subject_id: null, message_id: null, code: "INVALID_CREDENTIALS" },
    { action: "session.ended", actor_id: accountId, subject_id: sessionId, message_id: null, code: null },
  ]);
  expect(app.logged.join("")).not.toMatch(/secret/);
});

/** The code a sign-in is refused with; null if it succeeds. */
async function codeOf(userId: string, password: string): Promise<string | null> {
  const { signIn } = await new Client(app.url).run(SignInDocument, { input: { userId, password } });
  return "code" in signIn ? signIn.code : null;
}

const SIGN_IN =
  "mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignInPayload { token } ... on Problem { code message field limit retryAfter } } }";

/** All that somebody sees of an answer to signing in, but what differs for every request. */
async function answerTo(userId: string, password: string) {
  const response = await post(SIGN_IN, { input: { userId, password } });
  const { date: _date, "x-request-id": _id, ...headers } = Object.fromEntries(response.headers);
  return { status: response.status, headers, body: (await response.json()) as { data: { signIn: { token?: string } } } };
}

async function signInWith(headers: Record<string, string>, userId: string, url = app.url) {
  const response = await post(SIGN_IN, { input: { userId, password: PASSWORD } }, headers, url);
  return { cookies: response.headers.getSetCookie(), body: (await response.json()) as { data: { signIn: { token?: string } } } };
}

function tokenOf({ body }: { body: { data: { signIn: { token?: string } } } }): string {
  return body.data.signIn.token ?? "";
}

/** Who the server takes a request with these headers for. */
async function userIdOf(headers: Record<string, string>): Promise<string | null> {
  const response = await post("{ viewer { account { userId } } }", {}, headers);
  const { data } = (await response.json()) as { data: { viewer: { account: { userId: string } } | null } };
  return data.viewer?.account.userId ?? null;
}

async function isAlive(client: Client): Promise<boolean> {
  return (await client.run(ViewerDocument, {})).viewer !== null;
}

function post(query: string, variables: object, headers: Record<string, string> = {}, url = app.url): Promise<Response> {
  return fetch(`${url}/graphql`, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify({ query, variables }) });
}

function attributesOf(cookie: string): string[] {
  return cookie
    .split(";")
    .slice(1)
    .map((attribute) => attribute.trim())
    .sort();
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
