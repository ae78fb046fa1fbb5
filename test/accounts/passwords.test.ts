import {
  ChangePasswordDocument,
  type ChangePasswordMutation,
  RequestPasswordResetDocument,
  ResetPasswordDocument,
  type ResetPasswordMutation,
} from "../../operations/generated/operations.ts";
import { CODE_MINUTES } from "../../src/accounts/validation.ts";
import { MINUTE } from "../../src/clock.ts";
import { startTestApp, type TestApp, START } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { changesTold, codesTo, forgetAttempts, mailedCode, NEW_PASSWORD } from "../support/enrolling.ts";
import { eventually } from "../support/eventually.ts";
import { messagesOf, sendMessage, sent } from "../support/mail.ts";
import { mailsTo } from "../support/mails.ts";
import { createPerson, employee, member, PASSWORD } from "../support/people.ts";
import { RawSocket } from "../support/raw-socket.ts";
import { eventsOf, sql } from "../support/sql.ts";
import { printTimings, spread, timedInTurns } from "../support/timings.ts";

const NOBODYS = "A".repeat(22);

let app: TestApp;
let elsewhere: TestApp;

beforeAll(async () => {
  app = await startTestApp();
  elsewhere = await startTestApp({ beside: app });
});

afterAll(async () => {
  await elsewhere.close();
  await app.close();
});
beforeEach(() => forgetAttempts(app));
afterEach(() => app.clock.moveTo(START));

describe("changing the password", () => {
  test("ends every other session within two seconds on every node, sockets too, and keeps this one (FAULTS, Identity 6)", async () => {
    const { client, accountId, address } = await member(app, "changer");
    const phone = await Client.signIn(elsewhere.url, "changer", PASSWORD);
    const tablet = await Client.signIn(app.url, "changer", PASSWORD);
    const socket = await RawSocket.open(elsewhere.url);
    await socket.say({ type: "connection_init", payload: { authorization: `Bearer ${phone.token}` } });
    await eventually(() => expect(socket.heard.map(({ type }) => type)).toContain("connection_ack"));
    for (const one of [client, phone, tablet]) expect(await isAlive(one)).toBe(true);

    expect(await change(client, PASSWORD, NEW_PASSWORD)).toEqual({ changedAt: START.toISOString() });
    await eventually(async () => {
      expect(await isAlive(phone)).toBe(false);
      expect(await isAlive(new Client(elsewhere.url, tablet.token))).toBe(false);
      expect(socket.isOpen).toBe(false);
    }, 2000);
    expect(await socket.closed).toBe(4403);
    expect(await isAlive(client)).toBe(true);
    expect(await isAlive(new Client(elsewhere.url, client.token))).toBe(true);
    await expect(Client.signIn(app.url, "changer", PASSWORD)).rejects.toThrow("INVALID_CREDENTIALS");
    expect(await Client.signIn(app.url, "changer", NEW_PASSWORD)).toBeInstanceOf(Client);
    expect(await changesTold(app, address)).toEqual([{ what: "PASSWORD" }]);
    const own = (await eventsOf(app)).filter(({ actor_id }) => actor_id === accountId).map(({ action }) => action);
    expect(own).toContain("account.password-changed");
    expect(own.filter((action) => action === "session.ended")).toHaveLength(2);
  });

  test("needs the password of today and a good new one, and changes nothing otherwise", async () => {
    const { client, address } = await member(app, "careless");
    expect(await change(client, "a wrong password", NEW_PASSWORD)).toMatchObject({ code: "INVALID_CREDENTIALS", field: "currentPassword" });
    expect(await change(client, PASSWORD, "careless about passwords")).toMatchObject({ code: "WEAK_PASSWORD", field: "newPassword" });
    expect(await change(client, PASSWORD, "password1")).toMatchObject({ code: "WEAK_PASSWORD", limit: 15 });
    expect(await Client.signIn(app.url, "careless", PASSWORD)).toBeInstanceOf(Client);
    expect(await changesTold(app, address)).toEqual([]);
    expect(await change(client, PASSWORD, NEW_PASSWORD)).toHaveProperty("changedAt");
  });

  test("voids a reset that was mailed before", async () => {
    const { client, address } = await member(app, "both-ways");
    await requestReset("both-ways");
    const { token } = await mailedCode(app, address);
    expect(await change(client, PASSWORD, NEW_PASSWORD)).toHaveProperty("changedAt");
    expect(await reset({ token, newPassword: "green kettle stands south" })).toMatchObject({ code: "INVALID_CODE" });
  });
});

describe("a forgotten password", () => {
  test("is replaced by the mailed code; every session ends, none begins, and no mail is lost", async () => {
    const erin = await employee(app, "erin");
    const forgetful = await member(app, "forgetful");
    sent(await sendMessage(erin, { to: [forgetful.address], subject: "Still there" }));
    const other = await Client.signIn(elsewhere.url, "forgetful", PASSWORD);
    const { resetToken } = await requestReset("Forgetful");
    const { code, url } = await mailedCode(app, forgetful.address);
    expect(new URL(url)).toMatchObject({ pathname: "/reset-password", search: "" });
    expect((await mailsTo(app, forgetful.address)).map(({ kind }) => kind)).toContain("password-reset");

    expect(await reset({ resetToken, code, newPassword: "password1" })).toMatchObject({ code: "WEAK_PASSWORD" });
    expect(await reset({ resetToken, code, newPassword: NEW_PASSWORD })).toEqual({ resetAt: START.toISOString() });
    await eventually(async () => {
      for (const one of [forgetful.client, other]) expect(await isAlive(one)).toBe(false);
    }, 2000);
    await expect(Client.signIn(app.url, "forgetful", PASSWORD)).rejects.toThrow("INVALID_CREDENTIALS");
    const client = await Client.signIn(app.url, "forgetful", NEW_PASSWORD);
    expect((await messagesOf({ ...forgetful, client })).map(({ subject }) => subject)).toEqual(["Still there"]);
    expect(await changesTold(app, forgetful.address)).toEqual([{ what: "PASSWORD" }]);

    const refused = await reset({ token: NOBODYS, newPassword: "green kettle stands south" });
    expect(refused).toMatchObject({ code: "INVALID_CODE" });
    expect(await reset({ resetToken, code, newPassword: "green kettle stands south" })).toEqual(refused);
  });

  test("is replaced by the link, once, however many use it at once, and found by the address as well", async () => {
    const { address } = await createPerson(app, "linker");
    await requestReset(address.toUpperCase());
    const { token } = await mailedCode(app, address);
    const answers = await Promise.all(Array.from({ length: 8 }, () => reset({ token, newPassword: NEW_PASSWORD })));
    expect(answers.filter((answer) => "resetAt" in answer)).toHaveLength(1);
    expect(answers.filter((answer) => "code" in answer && answer.code === "INVALID_CODE")).toHaveLength(7);
  });

  test("cannot be replaced by a code without the token of its own request, after five wrong ones, or too late", async () => {
    const { address } = await createPerson(app, "hunted");
    const { resetToken: own } = await requestReset("hunted");
    const { code, token } = await mailedCode(app, address);
    app.clock.advance(1);
    const { resetToken: attackers } = await requestReset("hunted");
    const second = await mailedCode(app, address);
    const refused = await reset({ resetToken: NOBODYS, code, newPassword: NEW_PASSWORD });
    expect(refused).toMatchObject({ code: "INVALID_CODE" });
    if (second.code !== code) expect(await reset({ resetToken: attackers, code, newPassword: NEW_PASSWORD })).toEqual(refused);
    for (let n = 0; n < 5; n += 1) await reset({ resetToken: attackers, code: "0000000", newPassword: NEW_PASSWORD });
    expect(await reset({ resetToken: attackers, code: second.code, newPassword: NEW_PASSWORD })).toEqual(refused);
    expect(await reset({ token: second.token, newPassword: NEW_PASSWORD })).toEqual(refused);
    app.clock.advance(CODE_MINUTES * MINUTE);
    expect(await reset({ token, newPassword: NEW_PASSWORD })).toEqual(refused);
    app.clock.advance(-2);
    expect(await reset({ resetToken: own, code, newPassword: NEW_PASSWORD })).toHaveProperty("resetAt"); // What the attacker did harmed only their own
  });

  test("answers the same for the unknown, the disabled and those who sign in by other means, and mails only to whom it helps", async () => {
    const known = await createPerson(app, "remembered");
    const disabled = await createPerson(app, "barred");
    const bySso = await createPerson(app, "by-sso");
    await sql(app, "update accounts set disabled_at = $1 where id = $2", [START, disabled.accountId]);
    await sql(app, "update accounts set password_hash = null where id = $1", [bySso.accountId]);
    const shape = { resetToken: expect.stringMatching(/^[\w-]{22}$/), expiresAt: new Date(START.getTime() + CODE_MINUTES * MINUTE).toISOString() };
    for (const login of ["remembered", "barred", "by-sso", disabled.address, "nobody", "", "\0", "x".repeat(5000)])
      expect(await requestReset(login)).toEqual(shape);
    await app.runJobsOnce();
    expect(await codesTo(app, known.address)).toHaveLength(1);
    expect(await codesTo(app, disabled.address)).toEqual([]);
    expect(await codesTo(app, bySso.address)).toEqual([]);
  });

  test("does nothing for an account that was disabled after the mail", async () => {
    const { address, accountId } = await createPerson(app, "too-late");
    await requestReset("too-late");
    const { token } = await mailedCode(app, address);
    await sql(app, "update accounts set disabled_at = $1 where id = $2", [START, accountId]);
    expect(await reset({ token, newPassword: NEW_PASSWORD })).toMatchObject({ code: "INVALID_CODE" });
    await sql(app, "update accounts set disabled_at = null where id = $1", [accountId]);
    expect(await reset({ token, newPassword: NEW_PASSWORD })).toHaveProperty("resetAt");
  });

  test("is mailed to an account's owner, not to somebody whose user ID looks like their address", async () => {
    const victim = await createPerson(app, "victim");
    const { accountId, address } = await createPerson(app, "look-alike");
    await sql(app, "update accounts set user_id = $1 where id = $2", [victim.address, accountId]);
    await requestReset(victim.address);
    await app.runJobsOnce();
    expect(await codesTo(app, victim.address)).toHaveLength(1);
    expect(await codesTo(app, address)).toEqual([]);
  });

  test("takes as long to ask for by somebody known as by nobody (FAULTS, Identity 3)", async () => {
    for (let n = 0; n < 30; n += 1) await createPerson(app, `timed-${n}`);
    let n = 0;
    const timings = await timedInTurns(
      {
        "a known user": () => requestReset(`timed-${(n += 1) % 30}`),
        "a known address": () => requestReset(`timed-${n % 30}@mail.example`),
        nobody: () => requestReset("nobody-at-all"),
      },
      80,
      () => forgetAttempts(app),
    );
    printTimings("requestPasswordReset", timings);
    expect(spread(timings)).toBeLessThan(5);
  });
});

test("neither passwords nor codes are in the log, the ledger or the answers", async () => {
  const { client, address } = await member(app, "planted");
  const planted = { first: "quokka marmoset narwhal 77", second: "capybara ocelot tarsier 88" };
  await change(client, PASSWORD, planted.first);
  const { resetToken } = await requestReset("planted");
  const { code, token } = await mailedCode(app, address);
  await reset({ resetToken, code, newPassword: `${planted.second}${"x".repeat(2000)}` });
  await client.send("mutation ($input: ResetPasswordInput!) { resetPassword(input: $input) { __typename } }", {
    input: { newPassword: [planted.second], token },
  });
  expect(await reset({ resetToken, code, newPassword: planted.second })).toHaveProperty("resetAt");
  const rows = await sql<{ row: string }>(
    app,
    "select t::text as row from events t union all select t::text from validations t union all select t::text from mails t",
  );
  const lines = [...rows.map(({ row }) => row), ...app.logged];
  expect(lines.some((line) => line.includes("account.password-reset"))).toBe(true);
  for (const secret of [...Object.values(planted), PASSWORD, code, token, resetToken]) expect(lines.filter((line) => line.includes(secret))).toEqual([]);
});

async function change(client: Client, currentPassword: string, newPassword: string): Promise<ChangePasswordMutation["changePassword"]> {
  return (await client.run(ChangePasswordDocument, { input: { currentPassword, newPassword } })).changePassword;
}

async function requestReset(userIdOrAddress: string): Promise<{ resetToken: string; expiresAt: string }> {
  const { requestPasswordReset } = await new Client(app.url).run(RequestPasswordResetDocument, { input: { userIdOrAddress } });
  if (!("resetToken" in requestPasswordReset)) throw new Error(`The request was refused: ${requestPasswordReset.code}`);
  return requestPasswordReset;
}

async function reset(input: { resetToken?: string; code?: string; token?: string; newPassword: string }): Promise<ResetPasswordMutation["resetPassword"]> {
  return (await new Client(app.url).run(ResetPasswordDocument, { input: { resetToken: null, code: null, token: null, ...input } })).resetPassword;
}

async function isAlive(client: Client): Promise<boolean> {
  const { data } = await client.send("{ sessions { id } }");
  return data != null;
}
