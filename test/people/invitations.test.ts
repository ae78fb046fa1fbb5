import { print } from "graphql";
import {
  AcceptInvitationDocument,
  type AcceptInvitationInput,
  InviteEmployeeDocument,
  type InviteEmployeeInput,
  PeopleDocument,
  ResendInvitationDocument,
  RevokeInvitationDocument,
  ViewerDocument,
} from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { DAY } from "../../src/clock.ts";
import { Language } from "../../src/mailer/language.ts";
import { invitation, welcomeUrl } from "../../src/mailer/texts/invitation.ts";
import { INVITATION_DAYS } from "../../src/people/invitation.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { fetchFolder } from "../support/writing.ts";
import { sendMessage } from "../support/mail.ts";
import { mailsTo } from "../support/mails.ts";
import { createTeam, employee, member, PASSWORD, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

const CHOSEN = "violet harbour ladder seven quilts";

let app: TestApp;
let ada: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({
    config: { session: { idleMinutes: 43_200, hours: 8_760 }, organisation: { name: "Example Health", domains: ["insurer.example", "xn--bcher-kva.example"] } },
  });
  ada = await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR);
});

afterAll(() => app.close());
afterEach(() => app.clock.moveTo(START));

test("somebody invited gets one mail, chooses user ID and password with its link, signs in, and finds the mail that waited", async () => {
  const maria = await member(app, "maria");
  await sendMessage(maria, { to: ["nina.roth@insurer.example"], subject: "Before you came" });
  const known = (await eventsOf(app)).length;

  const account = await invite({ address: "Nina Roth <Nina.Roth@Insurer.Example>", displayName: " Nina  Roth ", kind: "EMPLOYEE", language: "ES" });
  expect(account).toEqual({
    id: expect.any(String),
    userId: expect.stringMatching(/^invited-/),
    displayName: "Nina Roth",
    address: "nina.roth@insurer.example",
    kind: "EMPLOYEE",
    language: "ES",
    state: "INVITED",
    invitedUntil: new Date(START.getTime() + INVITATION_DAYS * DAY).toISOString(),
    lastSignedInAt: null,
  });
  const mails = await mailsTo(app, "nina.roth@insurer.example");
  expect(mails).toEqual([{ id: expect.any(String), kind: "invitation", data: { token: expect.stringMatching(/^[\w-]{22}$/), days: INVITATION_DAYS } }]);
  const token = await tokenFor("nina.roth@insurer.example");

  const answer = await accept({ token, userId: "Nina.Roth", password: CHOSEN, personalPhrase: "Seven blue geese", language: "EN" });
  expect(answer).toEqual({ userId: "nina.roth" });
  const nina = await Client.signIn(app.url, "nina.roth", CHOSEN);
  const { viewer } = await nina.run(ViewerDocument, {});
  expect(viewer?.account).toMatchObject({ userId: "nina.roth", displayName: "Nina Roth", kind: "EMPLOYEE" });
  expect((await fetchFolder(nina, viewer?.mailboxes[0]?.id ?? "")).map(({ subject }) => subject)).toEqual(["Before you came"]);
  expect(await personOf("nina.roth@insurer.example")).toMatchObject({
    state: "ACTIVE",
    invitedUntil: null,
    language: "EN",
    lastSignedInAt: START.toISOString(),
  });

  const events = (await eventsOf(app)).slice(known).filter(({ action }) => !action.startsWith("people.") && !action.startsWith("session."));
  const accountId = events[0]?.subject_id;
  expect(events).toEqual([
    { action: "invitation.sent", actor_id: ada.accountId, subject_id: accountId, message_id: null, code: "EMPLOYEE" },
    { action: "invitation.accepted", actor_id: accountId, subject_id: accountId, message_id: null, code: null },
  ]);
  const rows = await sql<{ text: string }>(
    app,
    "select (row_to_json(a)::text || coalesce(row_to_json(i)::text, '')) as text from accounts a left join invitations i on i.account_id = a.id",
  );
  for (const secret of ["Seven blue geese", "Nina Roth", CHOSEN, token]) expect(rows.map(({ text }) => text).join()).not.toContain(secret);
  expect(app.logged.join("")).not.toContain(token);
});

test("the mail's link is built from our own address and carries its token where no server logs it, in both languages", () => {
  const brand = { organisation: "Example Health", publicUrl: "https://mail.insurer.example" };
  const token = "t".repeat(22);
  expect(welcomeUrl(brand.publicUrl, token)).toBe(`https://mail.insurer.example/welcome#token=${token}`);
  for (const language of [Language.EN, Language.ES]) {
    const { subject, paragraphs, link } = invitation[language]({ token, days: 7 }, brand);
    expect(link?.url).toBe(welcomeUrl(brand.publicUrl, token));
    expect([subject, ...paragraphs].join(" ")).toContain("Example Health");
    expect([subject, ...paragraphs].join(" ")).not.toContain(token);
  }
  expect(invitation.EN({ token, days: 7 }, brand).subject).not.toBe(invitation.ES({ token, days: 7 }, brand).subject);
});

describe("whoever is not at one of our domains", () => {
  test.each([
    "x@insurer.example.evil.com",
    "insurer.example@evil.com",
    "x@sub.insurer.example",
    "x%insurer.example@evil.com",
    "x@insurer.example.",
    '"x@insurer.example"@evil.com',
    "x@ins\u{75}\u{200b}rer.example",
    "x@\u0456nsurer.example",
    "x@insurer.example\r\nBcc: y@evil.com",
    "<x@evil.com> x@insurer.example",
    "",
  ])("is not invited: %j", async (address) => {
    const { inviteEmployee } = await ada.client.run(InviteEmployeeDocument, { input: { address, displayName: "X", kind: null, language: null } });
    expect(inviteEmployee).toMatchObject({ code: expect.stringMatching(/^INVALID_(INPUT|ADDRESS)$/), field: "address" });
  });

  test("while an exact domain is, by its A-labels too", async () => {
    expect(await invite({ address: "x@insurer.example" })).toMatchObject({ address: "x@insurer.example", kind: "EMPLOYEE", language: "EN" });
    expect(await invite({ address: "x@Bücher.example" })).toMatchObject({ address: "x@xn--bcher-kva.example" });
  });
});

test.each([
  ["a member", { kind: "MEMBER" }, { code: "INVALID_INPUT", field: "kind" }],
  ["somebody without a name", { displayName: " " }, { code: "INVALID_INPUT", field: "displayName" }],
  ["a name that turns text around", { displayName: "Ann \u202egnp.exe" }, { code: "INVALID_INPUT", field: "displayName" }],
  ["a name of two lines", { displayName: "Ann\nBcc: x@y.example" }, { code: "INVALID_INPUT", field: "displayName" }],
  ["a spreadsheet's formula", { displayName: '=HYPERLINK("https://evil.example")' }, { code: "INVALID_INPUT", field: "displayName" }],
  ["a name that is too long", { displayName: "x".repeat(101) }, { code: "INVALID_INPUT", field: "displayName" }],
])("%s is not invited", async (_what, change, problem) => {
  const input = { address: "odd@insurer.example", displayName: "Odd", kind: null, language: null, ...change };
  const { data } = await ada.client.send(print(InviteEmployeeDocument), { input });
  expect(data).toMatchObject({ inviteEmployee: problem });
  expect(await personOf("odd@insurer.example")).toBeUndefined();
});

test("an address of an account or a team cannot be invited, and two who invite it at once make one account", async () => {
  await createTeam(app, "claims", [ada]);
  await invite({ address: "twice@insurer.example" });
  for (const address of ["ada@insurer.example", "claims@insurer.example", "twice@insurer.example"]) {
    const { inviteEmployee } = await ada.client.run(InviteEmployeeDocument, { input: { address, displayName: "X", kind: null, language: null } });
    expect(inviteEmployee).toMatchObject({ code: "ADDRESS_TAKEN", field: "address" });
  }
  const input = { address: "parallel@insurer.example", displayName: "Parallel", kind: null, language: null };
  const answers = await Promise.all(Array.from({ length: 8 }, () => ada.client.run(InviteEmployeeDocument, { input })));
  expect(answers.filter(({ inviteEmployee }) => "account" in inviteEmployee)).toHaveLength(1);
  expect(answers.filter(({ inviteEmployee }) => "code" in inviteEmployee && inviteEmployee.code === "ADDRESS_TAKEN")).toHaveLength(7);
  expect(await mailsTo(app, input.address)).toHaveLength(1);
});

describe("a link", () => {
  test("that was used, replaced, revoked, is too old, of somebody disabled, malformed or made up gets one answer", async () => {
    const answers: unknown[] = [];
    const tried = async (token: string): Promise<void> => void answers.push(await acceptRaw({ token, userId: "late", password: CHOSEN }));

    await invite({ address: "used@insurer.example" });
    const used = await tokenFor("used@insurer.example");
    expect(await accept({ token: used, userId: "used", password: CHOSEN })).toEqual({ userId: "used" });
    await tried(used);

    const replaced = await invite({ address: "replaced@insurer.example" });
    const old = await tokenFor("replaced@insurer.example");
    const resent = await ada.client.run(ResendInvitationDocument, { input: { accountId: replaced.id } });
    expect(resent).toMatchObject({ resendInvitation: { account: { state: "INVITED" } } });
    await tried(old);
    expect(await mailsTo(app, "replaced@insurer.example")).toHaveLength(2);
    const fresh = (await mailsTo(app, "replaced@insurer.example")).map(({ data }) => tokenIn(data)).find((token) => token !== old) ?? "";
    expect(await accept({ token: fresh, userId: "replaced", password: CHOSEN })).toEqual({ userId: "replaced" });

    const revoked = await invite({ address: "revoked@insurer.example" });
    expect(await ada.client.run(RevokeInvitationDocument, { input: { accountId: revoked.id } })).toEqual({
      revokeInvitation: { revokedAt: START.toISOString() },
    });
    await tried(await tokenFor("revoked@insurer.example"));

    await invite({ address: "shut-out@insurer.example" });
    await sql(app, "update accounts set disabled_at = $1 where address = 'shut-out@insurer.example'", [START]);
    await tried(await tokenFor("shut-out@insurer.example"));

    await invite({ address: "signed-in@insurer.example" });
    await sql(app, "update accounts set last_signed_in_at = $1 where address = 'signed-in@insurer.example'", [new Date(START.getTime() + 1)]);
    await tried(await tokenFor("signed-in@insurer.example"));

    for (const token of ["x".repeat(22), "", "x", "x".repeat(100_000), "' or true --", "\0".repeat(22)]) await tried(token);

    await invite({ address: "late@insurer.example" });
    app.clock.advance(INVITATION_DAYS * DAY);
    await tried(await tokenFor("late@insurer.example"));
    expect(await personOf("late@insurer.example")).toMatchObject({ state: "INVITED", invitedUntil: app.clock.now().toISOString() });
    app.clock.advance(-1);
    expect(answers[0]).toMatchObject({ body: { data: { acceptInvitation: { code: "INVALID_CODE", field: "token" } } } });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await accept({ token: await tokenFor("late@insurer.example"), userId: "late", password: CHOSEN })).toEqual({ userId: "late" });
  });

  test("is used once by twenty who use it at the same moment", async () => {
    await invite({ address: "race@insurer.example" });
    const token = await tokenFor("race@insurer.example");
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => accept({ token, userId: `race-${n}`, password: `${CHOSEN} ${n}` })));
    const [winner, ...others] = answers.filter((answer) => "userId" in answer);
    expect(others).toEqual([]);
    expect(answers.filter((answer) => "code" in answer && ["INVALID_CODE", "THROTTLED"].includes(answer.code))).toHaveLength(19);
    expect(await personOf("race@insurer.example")).toMatchObject({ state: "ACTIVE", userId: winner && "userId" in winner ? winner.userId : "" });
  });

  test("gives no user ID that somebody has, and waits for another", async () => {
    await invite({ address: "second@insurer.example" });
    const token = await tokenFor("second@insurer.example");
    expect(await accept({ token, userId: "ADA", password: CHOSEN })).toMatchObject({ code: "USER_ID_TAKEN", field: "userId" });
    for (const userId of ["", "ab", "a b c", "-abc", "x".repeat(65), "abc\0", "ädä"])
      expect(await accept({ token, userId, password: CHOSEN })).toMatchObject({ code: "INVALID_INPUT", field: "userId" });
    expect(await accept({ token, password: CHOSEN })).toMatchObject({ code: "INVALID_INPUT", field: "userId" });
    expect(await accept({ token, userId: "second", password: "too short" })).toMatchObject({ code: "WEAK_PASSWORD", field: "password" });
    expect(await accept({ token, userId: "second", password: CHOSEN, personalPhrase: "x".repeat(101) })).toMatchObject({ code: "LIMIT_EXCEEDED", limit: 100 });
    expect(await accept({ token, userId: "second", password: CHOSEN })).toEqual({ userId: "second" });
  });

  test("of two who choose one user ID at the same moment serves one, and keeps the other's", async () => {
    const tokens: string[] = [];
    for (const address of ["same-a@insurer.example", "same-b@insurer.example"]) {
      await invite({ address });
      tokens.push(await tokenFor(address));
    }
    const answers = await Promise.all(tokens.map((token) => accept({ token, userId: "same", password: CHOSEN })));
    expect(answers.filter((answer) => "userId" in answer)).toHaveLength(1);
    const loser = answers.findIndex((answer) => "code" in answer);
    expect(answers[loser]).toMatchObject({ code: "USER_ID_TAKEN" });
    expect(await accept({ token: tokens[loser] ?? "", userId: "other-same", password: CHOSEN })).toEqual({ userId: "other-same" });
  });

  test("cannot be used by GET", async () => {
    await invite({ address: "get@insurer.example" });
    const token = await tokenFor("get@insurer.example");
    const query = new URLSearchParams({
      query: print(AcceptInvitationDocument),
      variables: JSON.stringify({ input: { token, userId: "by-get", password: CHOSEN } }),
    });
    const response = await fetch(`${app.url}/graphql?${query.toString()}`, { headers: { "apollo-require-preflight": "1" } });
    expect(response.status).toBe(405);
    expect(await personOf("get@insurer.example")).toMatchObject({ state: "INVITED" });
    expect(await accept({ token, userId: "by-post", password: CHOSEN })).toEqual({ userId: "by-post" });
  });
});

test("an account that is revoked before anybody was in it is gone, and its address can be invited again, with the mail that came", async () => {
  const maria = await member(app, "writer");
  const { id } = await invite({ address: "again@insurer.example" });
  await sendMessage(maria, { to: ["again@insurer.example"], subject: "Meanwhile" });
  await ada.client.run(RevokeInvitationDocument, { input: { accountId: id } });
  expect(await personOf("again@insurer.example")).toBeUndefined();
  expect(await ada.client.run(RevokeInvitationDocument, { input: { accountId: id } })).toMatchObject({ revokeInvitation: { code: "NOT_FOUND" } });
  expect(await ada.client.run(ResendInvitationDocument, { input: { accountId: id } })).toMatchObject({ resendInvitation: { code: "NOT_FOUND" } });
  app.clock.advance(1);
  await invite({ address: "again@insurer.example" });
  const token = (await mailsTo(app, "again@insurer.example")).map(({ data }) => tokenIn(data)).at(-1) ?? "";
  const answers = [await accept({ token, userId: "again", password: CHOSEN })];
  expect(answers).toEqual([{ userId: "again" }]);
  const again = await Client.signIn(app.url, "again", CHOSEN);
  const { viewer } = await again.run(ViewerDocument, {});
  expect((await fetchFolder(again, viewer?.mailboxes[0]?.id ?? "")).map(({ subject }) => subject)).toEqual(["Meanwhile"]);
});

test("somebody who is in already is neither invited again nor revoked", async () => {
  const erin = await employee(app, "erin");
  const accountId = (await personOf("erin@insurer.example"))?.id ?? "";
  expect(await ada.client.run(RevokeInvitationDocument, { input: { accountId } })).toMatchObject({ revokeInvitation: { code: "INVALID_INPUT" } });
  expect(await ada.client.run(ResendInvitationDocument, { input: { accountId } })).toMatchObject({ resendInvitation: { code: "INVALID_INPUT" } });
  expect((await erin.client.run(ViewerDocument, {})).viewer).not.toBeNull();
  expect(await Client.signIn(app.url, "erin", PASSWORD)).toBeInstanceOf(Client);
});

async function invite(input: Partial<InviteEmployeeInput> & { address: string }) {
  const { inviteEmployee } = await ada.client.run(InviteEmployeeDocument, { input: { displayName: "Somebody", kind: null, language: null, ...input } });
  if (!("account" in inviteEmployee)) throw new Error(`${input.address} was not invited: ${JSON.stringify(inviteEmployee)}`);
  return inviteEmployee.account;
}

async function accept(input: Pick<AcceptInvitationInput, "token" | "password"> & Partial<AcceptInvitationInput>) {
  const { acceptInvitation } = await new Client(app.url).run(AcceptInvitationDocument, {
    input: { userId: null, personalPhrase: null, language: null, ...input },
  });
  return acceptInvitation;
}

/** All that somebody sees of an answer, but what differs for every request. */
async function acceptRaw(input: { token: string; userId: string; password: string }) {
  const response = await fetch(`${app.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: print(AcceptInvitationDocument), variables: { input } }),
  });
  const { date: _date, "x-request-id": _id, ...headers } = Object.fromEntries(response.headers);
  return { status: response.status, headers, body: await response.json() };
}

async function personOf(address: string) {
  const { people } = await ada.client.run(PeopleDocument, { filter: { query: address, kind: null, state: null }, first: 1, after: null });
  return people?.edges[0]?.node;
}

async function tokenFor(address: string): Promise<string> {
  const [mail] = await mailsTo(app, address);
  return tokenIn(mail?.data);
}

function tokenIn(data: unknown): string {
  return typeof data === "object" && data !== null && "token" in data && typeof data.token === "string" ? data.token : "";
}
