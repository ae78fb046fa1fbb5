import { generateKeyPairSync, randomUUID } from "node:crypto";
import { ViewerDocument } from "../../operations/generated/operations.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Browser } from "../support/browser.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { type IdentityProvider, startIdentityProvider } from "../support/identity-provider.ts";
import { employee } from "../support/people.ts";
import { RawSocket } from "../support/raw-socket.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
let beside: TestApp;
let provider: IdentityProvider;

beforeAll(async () => {
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${port}`;
  provider = await startIdentityProvider(publicUrl);
  app = await startTestApp({ config: { port, publicUrl, singleSignOn: provider.settings } });
  beside = await startTestApp({ beside: app });
});

afterAll(async () => {
  await beside.close();
  await app.close();
  await provider.close();
});

test("signing out at the provider ends the sessions that were begun there, on all nodes at once, and no other", async () => {
  await employee(app, "sue");
  const [browser, phone] = [new Browser(), new Browser()];
  const [here, onPhone] = [await signedIn("sue", browser), await signedIn("sue", phone)];
  const sockets = await Promise.all([app, beside].map(({ url }) => acknowledged(url, here.token ?? "")));
  const phoneSocket = await acknowledged(beside.url, onPhone.token ?? "");

  await provider.signOut(browser);
  const began = performance.now();
  expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([4403, 4403]);
  expect(performance.now() - began).toBeLessThan(2000);
  for (const { url } of [app, beside]) expect(await isAlive(new Client(url, here.token))).toBe(false);
  expect(await isAlive(onPhone)).toBe(true);
  expect(phoneSocket.isOpen).toBe(true);
  expect((await eventsOf(app)).at(-1)).toMatchObject({ action: "session.ended", code: "SINGLE_LOGOUT", actor_id: null });
  expect(provider.faults).toEqual([]);
  await provider.signOut(phone);
  expect(await phoneSocket.closed).toBe(4403);
});

test("a logout token without a session ends all that its subject began, and no session that a password began", async () => {
  const tess = await employee(app, "tess");
  const clients = [await signedIn("tess"), await signedIn("tess")];
  const other = await signedIn("tom");
  expect((await post(await provider.logoutToken({ sub: "tess" }))).status).toBe(200);
  for (const client of clients) expect(await isAlive(client)).toBe(false);
  expect(await isAlive(tess.client)).toBe(true);
  expect(await isAlive(other)).toBe(true);
});

test("a logout token that names a session alone ends that one", async () => {
  const [browser, phone] = [new Browser(), new Browser()];
  const [here, onPhone] = [await signedIn("una", browser), await signedIn("una", phone)];
  const sids = await sidsOf(here);
  expect((await post(await provider.logoutToken({ sid: sids }))).status).toBe(200);
  expect(await isAlive(here)).toBe(false);
  expect(await isAlive(onPhone)).toBe(true);
});

describe("a logout token ends nothing and is answered 400", () => {
  const { privateKey: foreignKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ago = (seconds: number): number => Math.floor(Date.now() / 1000) - seconds;
  const logout = { "http://schemas.openid.net/event/backchannel-logout": {} };

  test.each<[string, () => Promise<string>]>([
    ["signed with another key", () => provider.logoutToken({ sub: "victim" }, { key: foreignKey })],
    [
      "signed with a secret instead of a key",
      () => provider.logoutToken({ sub: "victim" }, { key: Buffer.from(provider.settings.clientSecret), alg: "HS256" }),
    ],
    ["not signed", async () => `${btoa('{"alg":"none"}').replaceAll("=", "")}.${(await provider.logoutToken({ sub: "victim" })).split(".")[1] ?? ""}.`],
    ["of another issuer", () => provider.logoutToken({ sub: "victim", iss: "https://evil.example" })],
    ["for another client", () => provider.logoutToken({ sub: "victim", aud: "another-client" })],
    ["made an hour ago", () => provider.logoutToken({ sub: "victim", iat: ago(3600), exp: ago(-60) })],
    ["made in an hour", () => provider.logoutToken({ sub: "victim", iat: ago(-3600), exp: ago(-7200) })],
    ["that has expired", () => provider.logoutToken({ sub: "victim", exp: ago(60) })],
    ["without the time it was made", () => provider.logoutToken({ sub: "victim", iat: undefined })],
    ["without a number of its own", () => provider.logoutToken({ sub: "victim", jti: undefined })],
    ["without the event", () => provider.logoutToken({ sub: "victim", events: undefined })],
    ["of another event", () => provider.logoutToken({ sub: "victim", events: { "https://evil.example": {} } })],
    ["whose event is no object", () => provider.logoutToken({ sub: "victim", events: { [Object.keys(logout)[0] ?? ""]: "yes" } })],
    ["with a nonce, like an ID token", () => provider.logoutToken({ sub: "victim", nonce: "x" })],
    ["that names nobody", () => provider.logoutToken({})],
    ["that is none", async () => "nonsense"],
    ["that is empty", async () => ""],
  ])("%s", async (_what, make) => {
    const victim = await signedIn("victim");
    const response = await post(await make());
    expect({ status: response.status, body: await response.json() }).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await isAlive(victim)).toBe(true);
    expect((await post(await provider.logoutToken({ sub: "victim" }))).status).toBe(200);
    expect(await isAlive(victim)).toBe(false);
  });

  test("a second time", async () => {
    const token = await provider.logoutToken({ sub: "vera" });
    await signedIn("vera");
    expect((await post(token)).status).toBe(200);
    const again = await signedIn("vera");
    expect((await post(token)).status).toBe(400);
    expect(await isAlive(again)).toBe(true);
  });
});

test("a logout token about somebody who was never here is obeyed, and says nothing", async () => {
  const response = await post(await provider.logoutToken({ sub: randomUUID() }));
  expect([response.status, await response.text()]).toEqual([200, ""]);
});

async function signedIn(subject: string, browser = new Browser()): Promise<Client> {
  provider.people.set(subject, { email: `${subject}@insurer.example`, email_verified: true, name: subject });
  const page = await provider.signIn(browser, `${app.url}/sign-in/oidc`, subject);
  if (page.status !== 200) throw new Error(`${subject} is not signed in: ${page.html}`);
  return new Client(app.url, browser.cookie(app.url, "session") ?? null);
}

function post(logoutToken: string): Promise<Response> {
  return fetch(`${app.url}/sign-in/oidc/logout`, { method: "POST", body: new URLSearchParams({ logout_token: logoutToken }) });
}

async function isAlive(client: Client): Promise<boolean> {
  return (await client.run(ViewerDocument, {})).viewer !== null;
}

async function acknowledged(url: string, token: string): Promise<RawSocket> {
  const socket = await RawSocket.open(url);
  await socket.say({ type: "connection_init", payload: { authorization: `Bearer ${token}` } });
  await eventually(() => expect(socket.heard).toContainEqual({ type: "connection_ack" }));
  return socket;
}

/** What the provider calls a session: from the ID token that the server keeps of it. */
async function sidsOf(client: Client): Promise<string> {
  const hash = app.services.keyedHash.hash("session-token", client.token ?? "");
  const [row] = await sql<{ id: string; hint: Buffer }>(
    app,
    "select s.id, p.hint from sessions s join provider_sessions p on p.session_id = s.id where s.token_hash = $1",
    [hash],
  );
  if (row === undefined) throw new Error("The session was not begun at the provider");
  const { idToken } = (await app.services.dataKeys.directory()).open<{ idToken: string }>({ id: row.id, field: "sign-in" }, row.hint);
  const { sid }: { sid: string } = JSON.parse(Buffer.from(idToken.split(".")[1] ?? "", "base64url").toString());
  return sid;
}
