import {
  DevicesDocument,
  RevokeDeviceDocument,
  SessionsOnDevicesDocument,
  SignInOnDeviceDocument,
  ViewerDocument,
} from "../../operations/generated/operations.ts";
import { Account, AccountKind } from "../../src/accounts/account.ts";
import { deviceKindOf, deviceNameOf } from "../../src/accounts/device.ts";
import { startSession } from "../../src/accounts/start-session.ts";
import { SignInMethod } from "../../src/accounts/session.ts";
import { DAY, HOUR } from "../../src/clock.ts";
import { encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { Language } from "../../src/mailer/language.ts";
import { reactions } from "../../src/ledger/reactions.ts";
import { newDevice } from "../../src/mailer/texts/new-device.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { mailsTo } from "../support/mails.ts";
import { createPerson, member, PASSWORD } from "../support/people.ts";
import { trySignIn } from "../support/signing-in.ts";
import { eventsOf, sql } from "../support/sql.ts";

const FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";
const IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

afterAll(() => app.close());

afterEach(() => app.clock.moveTo(START));

const kindsOf = async (address: string): Promise<string[]> => (await mailsTo(app, address)).map(({ kind }) => kind);

describe("a sign-in on a device not seen before", () => {
  test("is told by a mail, in general words, but not the first one of all", async () => {
    const { address, accountId } = await createPerson(app, "traveller");
    const known = (await eventsOf(app)).length;
    await trySignIn(app, "traveller", { userAgent: FIREFOX });
    expect(await kindsOf(address)).toEqual([]);

    app.clock.advance(HOUR);
    await trySignIn(app, "traveller", { userAgent: IPHONE });
    expect(await mailsTo(app, address)).toEqual([
      { id: expect.any(String), kind: "new-device", data: { at: app.clock.now().toISOString(), browser: "Safari", system: "iPhone" } },
    ]);
    const [device] = await sql<{ id: string }>(app, "select id from devices where account_id = $1 and name = 'Safari on iPhone'", [accountId]);
    expect((await eventsOf(app)).slice(known).filter(({ action }) => action !== "session.started")).toEqual([
      { action: "device.added", actor_id: accountId, subject_id: device?.id, message_id: null, code: null },
    ]);
    expect(reactions["device.added"]).toEqual(["send-mails"]);
  });

  test("is not what a sign-in by the device's cookie or an app's token is, however often", async () => {
    const { address } = await createPerson(app, "regular");
    const browser = await trySignIn(app, "regular");
    const phone = await trySignIn(app, "regular");
    expect(await kindsOf(address)).toEqual(["new-device"]);
    expect(browser.deviceToken).toMatch(/^[\w-]{43}$/);
    expect(browser.cookies.device).toBe(browser.deviceToken);
    for (let n = 0; n < 2; n += 1) {
      expect(await trySignIn(app, "regular", { cookie: `device=${browser.cookies.device}` })).toMatchObject({
        code: null,
        deviceToken: null,
        cookies: { device: browser.cookies.device },
      });
      expect(await trySignIn(app, "regular", { deviceToken: phone.deviceToken ?? "" })).toMatchObject({ code: null, deviceToken: null });
    }
    expect(await kindsOf(address)).toEqual(["new-device"]);
    for (const wrong of ["", "x", "x".repeat(43), `${phone.deviceToken}x`])
      expect(await trySignIn(app, "regular", { deviceToken: wrong })).toMatchObject({ code: null });
    expect(await kindsOf(address)).toHaveLength(5);
  });

  test("is each account's own matter where two people share a browser", async () => {
    const [anna, ben] = [await createPerson(app, "anna"), await createPerson(app, "ben")];
    await trySignIn(app, "ben");
    const { cookies } = await trySignIn(app, "anna");
    const cookie = `device=${cookies.device}`;
    expect(await trySignIn(app, "ben", { cookie })).toMatchObject({ code: null, deviceToken: null, cookies: { device: cookies.device } });
    expect(await kindsOf(ben.address)).toEqual(["new-device"]);
    expect(await kindsOf(anna.address)).toEqual([]);
    for (const userId of ["anna", "ben"]) expect(await trySignIn(app, userId, { cookie })).toMatchObject({ code: null });
    expect(await kindsOf(ben.address)).toEqual(["new-device"]);
    expect(await kindsOf(anna.address)).toEqual([]);
  });

  test("is noticed whatever the way in", async () => {
    const { address, accountId } = await createPerson(app, "by-other-means", AccountKind.EMPLOYEE);
    await trySignIn(app, "by-other-means");
    const account = await app.ctx().db.manager.findOneByOrFail(Account, { uuid: accountId });
    await startSession(app.ctx(), account, SignInMethod.SINGLE_SIGN_ON);
    expect(await kindsOf(address)).toEqual(["new-device"]);
  });

  test("that is refused says nothing to anybody", async () => {
    const { address } = await createPerson(app, "unsuspecting");
    await trySignIn(app, "unsuspecting");
    await trySignIn(app, "unsuspecting", { password: "a wrong password" });
    expect(await kindsOf(address)).toEqual([]);
  });
});

test("the mail says when, on what in general words, and how to end it, in English and Spanish, and has no link", () => {
  const data = { at: "2026-03-02T09:05:00.000Z", browser: "Firefox", system: "Windows" };
  const brand = { organisation: "Example Health", publicUrl: "https://mail.insurer.example" };
  const english = newDevice[Language.EN](data, brand);
  expect(english.paragraphs.join(" ")).toMatch(
    /Firefox on Windows, 2 March 2026 at 09:05 \(UTC\).*type our address https:\/\/mail\.insurer\.example yourself.*Revoke that device/,
  );
  const spanish = newDevice[Language.ES](data, brand);
  expect(spanish.paragraphs.join(" ")).toMatch(
    /Firefox en Windows, 2 de marzo de 2026,? (a las )?9:05 \(UTC\).*https:\/\/mail\.insurer\.example.*Revoque ese dispositivo/,
  );
  expect(newDevice[Language.ES]({ ...data, browser: null, system: null }, brand).paragraphs[0]).toContain("una aplicación,");
  expect([english.link, spanish.link]).toEqual([undefined, undefined]);
});

test.each([
  [FIREFOX, "Firefox on Windows"],
  [IPHONE, "Safari on iPhone"],
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36", "Chrome on macOS"],
  ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0", "Edge on Windows"],
  [
    "Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
    "Samsung Internet on Android",
  ],
  ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36 OPR/120.0.0.0", "Opera on Linux"],
  ["<script>alert(1)</script> on your bank", "An app"],
  ["", "An app"],
])("%s is named in words of ours: %s", (userAgent, name) => {
  expect(deviceNameOf(deviceKindOf(userAgent))).toBe(name);
});

test("devices are listed, last used first, with the one that asks, and sessions name theirs", async () => {
  await createPerson(app, "lister");
  const laptop = await trySignIn(app, "lister", { userAgent: FIREFOX });
  app.clock.advance(HOUR / 2);
  const phone = await trySignIn(app, "lister", { userAgent: IPHONE });
  const client = new Client(app.url, phone.token);
  const expected = (name: string, createdAt: Date, lastUsedAt: Date, isCurrent: boolean) => ({
    id: expect.any(String),
    name,
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt.toISOString(),
    isCurrent,
  });
  const later = app.clock.now();
  const [first, second] = [expected("Safari on iPhone", later, later, true), expected("Firefox on Windows", START, START, false)];
  expect((await client.run(DevicesDocument, {})).devices).toEqual([first, second]);
  expect((await client.run(SessionsOnDevicesDocument, {})).sessions).toEqual([
    {
      id: expect.any(String),
      method: "PASSWORD",
      createdAt: later.toISOString(),
      isCurrent: true,
      device: { id: expect.any(String), name: first.name, isCurrent: true },
    },
    {
      id: expect.any(String),
      method: "PASSWORD",
      createdAt: START.toISOString(),
      isCurrent: false,
      device: { id: expect.any(String), name: second.name, isCurrent: false },
    },
  ]);
  app.clock.advance(HOUR / 4);
  await trySignIn(app, "lister", { deviceToken: laptop.deviceToken ?? "", userAgent: FIREFOX });
  expect((await client.run(DevicesDocument, {})).devices).toEqual([{ ...second, lastUsedAt: app.clock.now().toISOString() }, first]);
});

test("revoking a device ends its sessions and no others, and its token is good for nothing more", async () => {
  const { address } = await createPerson(app, "loser");
  const lost = await trySignIn(app, "loser", { userAgent: IPHONE });
  const lostAgain = await trySignIn(app, "loser", { deviceToken: lost.deviceToken ?? "" });
  const kept = await trySignIn(app, "loser", { userAgent: FIREFOX });
  const client = new Client(app.url, kept.token);
  const isAlive = async (token: string | null): Promise<boolean> => (await new Client(app.url, token).run(ViewerDocument, {})).viewer !== null;
  expect(await Promise.all([lost, lostAgain, kept].map(({ token }) => isAlive(token)))).toEqual([true, true, true]);

  const { devices } = await client.run(DevicesDocument, {});
  const deviceId = devices.find(({ isCurrent }) => !isCurrent)?.id ?? "";
  const { client: stranger } = await member(app, "stranger");
  const foreign = await stranger.run(RevokeDeviceDocument, { input: { deviceId } });
  expect(foreign).toMatchObject({ revokeDevice: { code: "NOT_FOUND", field: "deviceId" } });
  for (const id of [encodeId("Device", newId(START)), encodeId("Account", newId(START)), ""])
    expect(await stranger.run(RevokeDeviceDocument, { input: { deviceId: id } })).toEqual(foreign);

  expect(await client.run(RevokeDeviceDocument, { input: { deviceId } })).toEqual({ revokeDevice: { revokedAt: app.clock.now().toISOString() } });
  expect(await Promise.all([lost, lostAgain, kept].map(({ token }) => isAlive(token)))).toEqual([false, false, true]);
  expect((await client.run(DevicesDocument, {})).devices.map(({ name }) => name)).toEqual(["Firefox on Windows"]);
  expect(await client.run(RevokeDeviceDocument, { input: { deviceId } })).toEqual(foreign);

  const mails = (await kindsOf(address)).length;
  const back = await trySignIn(app, "loser", { deviceToken: lost.deviceToken ?? "" });
  expect(back.deviceToken).toMatch(/^[\w-]{43}$/);
  expect(back.deviceToken).not.toBe(lost.deviceToken);
  expect(await kindsOf(address)).toHaveLength(mails + 1);
});

test("the device's cookie is HttpOnly and SameSite, and lasts as long as a browser lets it", async () => {
  await createPerson(app, "crumbs");
  const query = `mutation { signIn(input: { userId: "crumbs", password: "${PASSWORD}" }) { __typename } }`;
  const response = await fetch(`${app.url}/graphql`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query }) });
  const cookie = response.headers.getSetCookie().find((set) => set.startsWith("device=")) ?? "";
  expect(cookie.split("; ").slice(1).toSorted()).toEqual([
    `Expires=${new Date(START.getTime() + 400 * DAY).toUTCString()}`,
    "HttpOnly",
    "Path=/",
    "SameSite=Strict",
  ]);
});

test("the database keeps no device's token, only a hash of it", async () => {
  await createPerson(app, "kept-secret");
  const { deviceToken } = await trySignIn(app, "kept-secret");
  const [kept] = await sql<{ text: string }>(app, "select json_agg(d)::text as text from devices d");
  expect(kept?.text).toContain("token_hash");
  for (const form of ["hex", "base64", "base64url"] as const) expect(kept?.text).not.toContain(Buffer.from(deviceToken ?? "", "base64url").toString(form));
});

test("a device that nobody has used for 400 days is forgotten", async () => {
  const { accountId } = await createPerson(app, "long-away");
  const { deviceToken } = await trySignIn(app, "long-away");
  const count = async (): Promise<number> => (await sql(app, "select id from devices where account_id = $1", [accountId])).length;
  app.clock.advance(400 * DAY - 1);
  await sweep(app.ctx());
  expect(await count()).toBe(1);
  app.clock.advance(1);
  await sweep(app.ctx());
  expect(await count()).toBe(0);
  expect((await trySignIn(app, "long-away", { deviceToken: deviceToken ?? "" })).deviceToken).not.toBeNull();
});

test("who signs in sees when they had signed in before", async () => {
  await createPerson(app, "returning");
  const signIn = async () => {
    const { signIn } = await new Client(app.url).run(SignInOnDeviceDocument, { input: { userId: "returning", password: PASSWORD } });
    if (!("token" in signIn)) throw new Error("She cannot sign in");
    return signIn.account;
  };
  expect(await signIn()).toMatchObject({ lastSignedInAt: START.toISOString(), previousSignInAt: null });
  app.clock.advance(DAY);
  expect(await signIn()).toMatchObject({ lastSignedInAt: app.clock.now().toISOString(), previousSignInAt: START.toISOString() });
});
