import { getNullableType, type GraphQLInputType, isInputObjectType } from "graphql";
import { AttachAddressDocument, InboxDocument, RequestValidationDocument, ViewerDocument } from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { forgetValidations } from "../../src/accounts/mail-codes.ts";
import { CODE_MINUTES, ENROLMENT_HOURS } from "../../src/accounts/validation.ts";
import { DAY, HOUR, MINUTE } from "../../src/clock.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { createSchema } from "../../src/schema.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { askedCode, codesTo, enrolled, forgetAttempts, mailedCode, NEW_PASSWORD, tryToEnrol, tryToValidate, validated } from "../support/enrolling.ts";
import { sendMessage, sent } from "../support/mail.ts";
import { noticeFor } from "../support/notices.ts";
import { createPerson, employee, member, PASSWORD, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";
import { printTimings, spread, timedInTurns } from "../support/timings.ts";

const NOBODYS = "A".repeat(22);

let app: TestApp;
let erin: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { publicUrl: null } });
  erin = await employee(app, "erin");
});

afterAll(() => app.close());
beforeEach(() => forgetAttempts(app));
afterEach(() => app.clock.moveTo(START));

describe("a first visit", () => {
  test("goes from the notice over a mailed code to an account with the mail that waited, signed in", async () => {
    const address = "nora@mail.example";
    sent(await sendMessage(erin, { to: [address], subject: "Waiting for Nora" }));
    const noticeToken = await noticeFor(app, address);
    const { requestValidation } = await new Client(app.url).run(RequestValidationDocument, { input: { noticeToken } });
    expect(requestValidation).toEqual({ expiresAt: new Date(START.getTime() + CODE_MINUTES * MINUTE).toISOString() });
    const { code, url, token } = await mailedCode(app, address);
    expect(code).toMatch(/^\d{8}$/);
    expect(token).toMatch(/^[\w-]{22}$/);
    expect(new URL(url)).toMatchObject({ pathname: "/validate", search: "", hash: `#token=${token}` });

    const answer = await tryToValidate(app, { noticeToken, code });
    expect(answer).toEqual({
      enrolmentToken: expect.stringMatching(/^[\w-]{22}$/),
      expiresAt: new Date(START.getTime() + ENROLMENT_HOURS * HOUR).toISOString(),
      address,
      hasAccount: false,
    });
    const enrolmentToken = "enrolmentToken" in answer ? answer.enrolmentToken : "";
    const choice = { userId: "Nora.1", displayName: " Nora Nilsen ", language: "ES", personalPhrase: "The cat sits on the wall" } as const;
    const signedIn = await tryToEnrol(app, enrolmentToken, choice);
    expect(signedIn).toMatchObject({ token: expect.stringMatching(/^[\w-]{43}$/), account: { userId: "nora.1", kind: "MEMBER", address, language: "ES" } });
    const nora = new Client(app.url, "token" in signedIn ? signedIn.token : null);
    const { viewer } = await nora.run(ViewerDocument, {});
    expect(viewer?.account).toMatchObject({ userId: "nora.1", displayName: "Nora Nilsen" });
    expect(viewer?.mailboxes).toMatchObject([{ address, displayName: "Nora Nilsen", unreadCount: 1 }]);
    const inbox = await nora.run(InboxDocument, { mailboxId: viewer?.mailboxes[0]?.id ?? "", first: 10, after: null, filter: null });
    expect(inbox.mailbox?.messages.edges.map(({ node }) => node.subject)).toEqual(["Waiting for Nora"]);
    expect(await nora.send("{ viewer { account { personalPhrase } } }")).toMatchObject({
      data: { viewer: { account: { personalPhrase: choice.personalPhrase } } },
    });
    expect(await Client.signIn(app.url, "NORA.1", NEW_PASSWORD)).toBeInstanceOf(Client);
    expect((await eventsOf(app)).map(({ action }) => action)).toEqual(
      expect.arrayContaining(["validation.requested", "validation.mailed", "address.validated", "account.enrolled", "session.started"]),
    );
  });

  test("works by the link of the mail, which then is used up with its code", async () => {
    const noticeToken = await noticeFor(app, "linked@mail.example");
    const { code, token } = await askedCode(app, "linked@mail.example", noticeToken);
    expect(await tryToValidate(app, { token })).toMatchObject({ address: "linked@mail.example" });
    const refused = await tryToValidate(app, { token: NOBODYS });
    expect(await tryToValidate(app, { token })).toEqual(refused);
    expect(await tryToValidate(app, { noticeToken, code })).toEqual(refused);
  });

  test("makes the kind of account that the operator set", async () => {
    const other = await startTestApp({ beside: app, config: { enrolmentKind: "BROKER" } });
    try {
      const enrolmentToken = await validated(app, "bob@mail.example");
      expect(await tryToEnrol(other, enrolmentToken, { userId: "bob" })).toMatchObject({ account: { kind: "BROKER" } });
    } finally {
      await other.close();
    }
  });
});

describe("a notice's link (FAULTS, Identity 1 and 2)", () => {
  test("opened by a scanner, twice or forwarded changes nothing and shows nothing: a real one answers like a random one", async () => {
    sent(await sendMessage(erin, { to: ["scanned@mail.example"], subject: "Zebrafish" }));
    const noticeToken = await noticeFor(app, "scanned@mail.example");
    const { token } = await askedCode(app, "scanned@mail.example", noticeToken);
    const before = await everything();
    for (const path of [`/?notice=${noticeToken}`, `/validate?token=${token}`, "/validate", `/validate/${token}`]) {
      for (const method of ["GET", "HEAD", "GET"]) {
        const real = await seen(path, method);
        expect(real).toEqual(await seen(path.replace(noticeToken, NOBODYS).replace(token, NOBODYS), method));
        expect(JSON.stringify(real)).not.toMatch(/zebrafish|erin|scanned|set-cookie/i);
      }
    }
    const mutation = `mutation { validateAddress(input: { token: "${token}" }) { __typename } }`;
    const byGet = await fetch(`${app.url}/graphql?query=${encodeURIComponent(mutation)}`, { headers: { "apollo-require-preflight": "1" } });
    expect(byGet.status).toBeGreaterThanOrEqual(400);
    expect(await everything()).toEqual(before);
    expect(await tryToValidate(app, { token })).toMatchObject({ address: "scanned@mail.example" });
  });

  test("asks for a code with one answer, whether it is random, old or real; only the real one's address gets mail", async () => {
    const ancient = await noticeFor(app, "ancient@mail.example");
    app.clock.advance(RETENTION_DAYS * DAY);
    const real = await noticeFor(app, "real@mail.example");
    const [answer, ...others] = await Promise.all([real, ancient, NOBODYS, "", "x".repeat(5000), "\0"].map((token) => rawAnswer(token)));
    expect(answer).toMatchObject({ status: 200, body: expect.stringContaining("RequestValidationPayload") });
    for (const other of others) expect(other).toEqual(answer);
    await app.runJobsOnce();
    expect(await codesTo(app, "real@mail.example")).toHaveLength(1);
    expect(await codesTo(app, "ancient@mail.example")).toEqual([]);
  });

  test("signs nobody in and enrols nobody by itself", async () => {
    const noticeToken = await noticeFor(app, "bare@mail.example");
    const refused = await tryToEnrol(app, NOBODYS);
    expect(refused).toMatchObject({ code: "INVALID_CODE" });
    expect(await tryToEnrol(app, noticeToken)).toEqual(refused);
    expect(await tryToValidate(app, { token: noticeToken })).toMatchObject({ code: "INVALID_CODE" });
    expect(await new Client(app.url, noticeToken).run(ViewerDocument, {})).toEqual({ viewer: null });
  });

  test("leads to mails whose links come from the settings, never from Host or X-Forwarded headers (FAULTS, Identity 7)", async () => {
    const port = 4999;
    const other = await startTestApp({ beside: app, config: { publicUrl: "https://mail.insurer.example", port } });
    try {
      const address = "hosted@mail.example";
      const noticeToken = await noticeFor(app, address);
      const evil = { "x-forwarded-host": "evil.example", "x-forwarded-proto": "http", forwarded: "host=evil.example", origin: "https://evil.example" };
      const ask = "mutation ($input: RequestValidationInput!) { requestValidation(input: $input) { __typename } }";
      await new Client(`http://127.0.0.1:${port}`).send(ask, { input: { noticeToken } }, evil);
      await new Client(`http://localhost:${port}`).send(ask, { input: { noticeToken } }, evil);
      await other.runJobsOnce();
      const mails = await codesTo(app, address);
      expect(mails).toHaveLength(2);
      for (const { url } of mails) expect(url).toMatch(/^https:\/\/mail\.insurer\.example\/validate#token=[\w-]{22}$/);
    } finally {
      await other.close();
    }
  });
});

describe("a mailed code", () => {
  test("gives one and the same answer when it is wrong, used, too old, replaced or of nobody", async () => {
    const noticeToken = await noticeFor(app, "codes@mail.example");
    const refused = await tryToValidate(app, { noticeToken: NOBODYS, code: "12345678" });
    expect(refused).toMatchObject({ code: "INVALID_CODE" });
    const first = await askedCode(app, "codes@mail.example", noticeToken);
    expect(await tryToValidate(app, { noticeToken, code: wrong(first.code) })).toEqual(refused);
    expect(await tryToValidate(app, { noticeToken, code: "" })).toEqual(refused);
    expect(await tryToValidate(app, { noticeToken: NOBODYS, code: first.code })).toEqual(refused);
    const second = await askedCode(app, "codes@mail.example", noticeToken);
    expect(await tryToValidate(app, { noticeToken, code: first.code === second.code ? wrong(first.code) : first.code })).toEqual(refused);
    expect(await tryToValidate(app, { token: first.token })).toEqual(refused);
    app.clock.advance(CODE_MINUTES * MINUTE);
    expect(await tryToValidate(app, { noticeToken, code: second.code })).toEqual(refused);
    expect(await tryToValidate(app, { token: second.token })).toEqual(refused);
    app.clock.advance(-1);
    expect(await tryToValidate(app, { noticeToken, code: ` ${second.code.slice(0, 4)} ${second.code.slice(4)}` })).toHaveProperty("enrolmentToken");
    expect(await tryToValidate(app, { noticeToken, code: second.code })).toEqual(refused);
  });

  test("is void with its link after five wrong ones, even if all were tried at once", async () => {
    const noticeToken = await noticeFor(app, "guessed@mail.example");
    const patient = await askedCode(app, "guessed@mail.example", noticeToken);
    for (let n = 0; n < 4; n += 1) await tryToValidate(app, { noticeToken, code: wrong(patient.code, n + 1) });
    expect(await wrongCodes("guessed@mail.example")).toBe(4);
    const hurried = await askedCode(app, "guessed@mail.example", noticeToken);
    const guesses = Array.from({ length: 20 }, (_, n) => wrong(hurried.code, n + 1));
    await Promise.all(guesses.map((code) => tryToValidate(app, { noticeToken, code })));
    await forgetAttempts(app); // Which stop most of them in any case
    expect(await tryToValidate(app, { noticeToken, code: hurried.code })).toMatchObject({ code: "INVALID_CODE" });
    expect(await tryToValidate(app, { token: hurried.token })).toMatchObject({ code: "INVALID_CODE" });
  });

  test("goes to one address at most five times an hour", async () => {
    const address = "flooded@mail.example";
    const noticeToken = await noticeFor(app, address);
    for (let n = 0; n < 7; n += 1) {
      app.clock.advance(1);
      await new Client(app.url).run(RequestValidationDocument, { input: { noticeToken } });
      await app.runJobsOnce();
    }
    const codes = await codesTo(app, address);
    expect(codes).toHaveLength(5);
    expect(await tryToValidate(app, { token: codes[4]?.token ?? "" })).toMatchObject({ address });
    app.clock.advance(HOUR + 1);
    await askedCode(app, address, noticeToken);
    expect(await codesTo(app, address)).toHaveLength(6);
  });

  test("of one address opens no other, and a link's token is no enrolment token", async () => {
    const [mine, theirs] = [await noticeFor(app, "mine@mail.example"), await noticeFor(app, "theirs@mail.example")];
    const { code, token } = await askedCode(app, "mine@mail.example", mine);
    await askedCode(app, "theirs@mail.example", theirs);
    expect(await tryToValidate(app, { noticeToken: theirs, code })).toMatchObject({ code: "INVALID_CODE" });
    expect(await tryToEnrol(app, token)).toMatchObject({ code: "INVALID_CODE" });
    expect(await tryToValidate(app, { noticeToken: mine, code })).toMatchObject({ address: "mine@mail.example" });
  });
});

describe("an enrolment token (FAULTS, Identity 1)", () => {
  test("makes one account however often it is used at once, and then answers like a random one", async () => {
    const enrolmentToken = await validated(app, "twenty@mail.example");
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => tryToEnrol(app, enrolmentToken, { userId: `twenty-${n}` })));
    const refused = await tryToEnrol(app, NOBODYS);
    expect(answers.filter((answer) => "token" in answer)).toHaveLength(1);
    expect(answers.filter((answer) => !("token" in answer))).toEqual(Array.from({ length: 19 }, () => refused));
    expect(await sql(app, "select from accounts where address = 'twenty@mail.example' or user_id like 'twenty-%'")).toHaveLength(1);
    await forgetAttempts(app);
    expect(await tryToEnrol(app, enrolmentToken)).toEqual(refused);
  });

  test("of several for one address makes one account, too", async () => {
    const address = "several@mail.example";
    const first = await validated(app, address);
    const second = await validated(app, address);
    expect(await tryToEnrol(app, first)).toMatchObject({ code: "INVALID_CODE" }); // A newer one was made
    await sql(app, "update validations set used_at = null where address = $1 and purpose = 'ENROL'", [address]);
    const answers = await Promise.all([first, second, first, second].map((token, n) => tryToEnrol(app, token, { userId: `several-${n}` })));
    expect(answers.map((answer) => ("token" in answer ? "enrolled" : answer.code)).toSorted()).toEqual([
      "INVALID_CODE",
      "INVALID_CODE",
      "INVALID_CODE",
      "enrolled",
    ]);
  });

  test("is good for a day, and what is refused for its form does not use it up", async () => {
    await createPerson(app, "taken");
    const enrolmentToken = await validated(app, "patient@mail.example");
    const refusals = [
      [{ userId: "ab" }, "INVALID_INPUT", "userId"],
      [{ userId: "Pаtient" }, "INVALID_INPUT", "userId"], // The second letter is Cyrillic
      [{ userId: "\u212Aarl" }, "INVALID_INPUT", "userId"], // Kelvin's K becomes a k
      [{ userId: "x".repeat(65) }, "INVALID_INPUT", "userId"],
      [{ userId: "other@mail.example" }, "INVALID_INPUT", "userId"],
      [{ userId: "TAKEN" }, "USER_ID_TAKEN", "userId"],
      [{ password: "short" }, "WEAK_PASSWORD", "password"],
      [{ password: "patient at mail.example 123", userId: "patient" }, "WEAK_PASSWORD", "password"],
      [{ password: "x".repeat(1025) }, "LIMIT_EXCEEDED", "password"],
      [{ displayName: " " }, "INVALID_INPUT", "displayName"],
      [{ displayName: "Evil\u202Eliame" }, "INVALID_INPUT", "displayName"],
      [{ displayName: "x".repeat(101) }, "LIMIT_EXCEEDED", "displayName"],
      [{ personalPhrase: "two\nlines" }, "INVALID_INPUT", "personalPhrase"],
    ] as const;
    for (const [choice, code, field] of refusals)
      expect({ choice, answer: await tryToEnrol(app, enrolmentToken, choice) }).toMatchObject({ choice, answer: { code, field } });
    app.clock.advance(ENROLMENT_HOURS * HOUR);
    expect(await tryToEnrol(app, enrolmentToken)).toMatchObject({ code: "INVALID_CODE" });
    app.clock.advance(-1);
    expect(await tryToEnrol(app, enrolmentToken, { userId: "Patient@Mail.example" })).toMatchObject({ account: { userId: "patient@mail.example" } });
  });

  test("never gives an address that belongs to an account another, nor that account another password", async () => {
    const owner = await createPerson(app, "owner");
    const noticeToken = await noticeFor(app, owner.address);
    const { code } = await askedCode(app, owner.address, noticeToken);
    const answer = await tryToValidate(app, { noticeToken, code });
    expect(answer).toMatchObject({ address: owner.address, hasAccount: true });
    const enrolmentToken = "enrolmentToken" in answer ? answer.enrolmentToken : "";
    const refused = await tryToEnrol(app, NOBODYS);
    expect(await tryToEnrol(app, enrolmentToken, { userId: "thief" })).toEqual(refused);
    expect(await tryToEnrol(app, enrolmentToken, { userId: "owner" })).toEqual(refused);
    const thief = await member(app, "thief");
    expect((await thief.client.run(AttachAddressDocument, { input: { enrolmentToken } })).attachAddress).toMatchObject({ code: "INVALID_CODE" });
    expect(await Client.signIn(app.url, "owner", PASSWORD)).toBeInstanceOf(Client);
  });

  test("of one of the organisation's own addresses enrols nobody: employees are invited or signed in by it", async () => {
    const enrolmentToken = await validated(app, "newcomer@insurer.example");
    expect(await tryToEnrol(app, enrolmentToken)).toMatchObject({ code: "FORBIDDEN" });
    const { client } = await member(app, "climber");
    expect((await client.run(AttachAddressDocument, { input: { enrolmentToken } })).attachAddress).toMatchObject({ code: "FORBIDDEN" });
    expect(await tryToEnrol(app, await validated(app, "newcomer@mail.example"))).toHaveProperty("token");
  });
});

describe("a second address", () => {
  test("is validated even if one is registered, and becomes one more mailbox of the account, once", async () => {
    const { client } = await enrolled(app, "double");
    sent(await sendMessage(erin, { to: ["double@work.example"], subject: "To the office" }));
    const enrolmentToken = await validated(app, "double@work.example");
    const twice = await Promise.all([1, 2, 3].map(() => client.run(AttachAddressDocument, { input: { enrolmentToken } })));
    expect(twice.filter(({ attachAddress }) => "mailbox" in attachAddress)).toMatchObject([
      { attachAddress: { mailbox: { address: "double@work.example", unreadCount: 1 } } },
    ]);
    expect(twice.filter(({ attachAddress }) => "code" in attachAddress && attachAddress.code === "INVALID_CODE")).toHaveLength(2);
    const { viewer } = await client.run(ViewerDocument, {});
    expect(viewer?.account.address).toBe("double@mail.example");
    expect(viewer?.mailboxes.map(({ address }) => address).toSorted()).toEqual(["double@mail.example", "double@work.example"]);

    const again = await validated(app, "double@work.example");
    expect(await tryToEnrol(app, again)).toMatchObject({ code: "INVALID_CODE" });
    const { client: other } = await enrolled(app, "other");
    expect((await other.run(AttachAddressDocument, { input: { enrolmentToken: again } })).attachAddress).toMatchObject({ code: "INVALID_CODE" });
  });

  test("is not for employees", async () => {
    const enrolmentToken = await validated(app, "private@mail.example");
    expect((await erin.client.run(AttachAddressDocument, { input: { enrolmentToken } })).attachAddress).toMatchObject({ code: "FORBIDDEN" });
    const { client } = await signedInPerson(app, "privateer", AccountKind.PROVIDER);
    expect((await client.run(AttachAddressDocument, { input: { enrolmentToken } })).attachAddress).toHaveProperty("mailbox");
  });
});

test("there is no other way to register: no mutation makes an account or a session for somebody without a token or a password", async () => {
  const mutations = Object.values(createSchema().getMutationType()?.getFields() ?? {});
  const noticeToken = await noticeFor(app, "walker@mail.example");
  await askedCode(app, "walker@mail.example", noticeToken);
  const count = async (): Promise<object | undefined> =>
    (await sql(app, "select (select count(*) from accounts) as accounts, (select count(*) from sessions) as sessions"))[0];
  const before = await count();
  const opened: string[] = [];
  for (const { name, args } of mutations) {
    const given = args.length === 0 ? "" : "(input: $input)";
    const document = `mutation ${args.length === 0 ? "" : `($input: ${String(args[0]?.type)})`} { ${name}${given} { __typename ... on Problem { code } } }`;
    const input = Object.fromEntries(
      ["noticeToken", "token", "code", "enrolmentToken", "resetToken", "userId", "userIdOrAddress", "address"].map((field) => [field, noticeToken]),
    );
    const words = { ...input, password: NEW_PASSWORD, newPassword: NEW_PASSWORD, displayName: "Walker", language: "EN" };
    const { status } = await new Client(app.url).send(document, { input: accepted(args[0]?.type, words) });
    if (status !== 401) opened.push(name);
    expect({ name, status, ...(await count()) }).toEqual({ name, status, ...before });
  }
  expect(opened).toEqual(expect.arrayContaining(["enrol", "requestPasswordReset", "requestValidation", "resetPassword", "signIn", "validateAddress"]));
  await app.runJobsOnce(); // One of them did ask for a code
  const enrolmentToken = await validated(app, "walker@mail.example");
  expect(await tryToEnrol(app, enrolmentToken)).toHaveProperty("token"); // So it would show
  expect(await count()).not.toEqual(before);
});

test("asking for a code takes as long for a real notice as for a random one, and trying one as long whatever is wrong (FAULTS, Identity 3)", async () => {
  const tokens: string[] = [];
  for (let n = 0; n < 90; n += 1) tokens.push(await noticeFor(app, `timed-${n}@mail.example`));
  let n = 0;
  const next = (): string => tokens[(n += 1) % tokens.length] ?? "";
  const asking = await timedInTurns(
    { "a real notice": () => rawAnswer(next()), "a random notice": () => rawAnswer(NOBODYS), "no notice at all": () => rawAnswer("") },
    80,
    () => forgetAttempts(app),
  );
  printTimings("requestValidation", asking);
  expect(spread(asking)).toBeLessThan(5);
  await app.runJobsOnce();
  const trying = await timedInTurns(
    {
      "a wrong code": () => tryToValidate(app, { noticeToken: next(), code: "0000000" }),
      "a code of nobody": () => tryToValidate(app, { noticeToken: NOBODYS, code: "0000000" }),
      "a link of nobody": () => tryToValidate(app, { token: NOBODYS }),
    },
    80,
    () => forgetAttempts(app),
  );
  printTimings("validateAddress", trying);
  expect(spread(trying)).toBeLessThan(5);
});

test("the database keeps no code and no token, the log and the ledger neither, nor what was chosen", async () => {
  const noticeToken = await noticeFor(app, "secretive@mail.example");
  const { code, token } = await askedCode(app, "secretive@mail.example", noticeToken);
  const answer = await tryToValidate(app, { noticeToken, code });
  const enrolmentToken = "enrolmentToken" in answer ? answer.enrolmentToken : "";
  const chosen = { userId: "secretive", password: "quokka marmoset narwhal 77", displayName: "Wilhelmina Wombat", personalPhrase: "pangolins at midnight" };
  const enrolment = await tryToEnrol(app, enrolmentToken, chosen);
  expect(enrolment).toHaveProperty("token");
  const rows = await Promise.all(
    ["validations", "mails", "notices", "accounts", "sessions", "events", "outbox", "mailboxes"].map((table) =>
      sql<{ row: string }>(app, `select t::text as row from ${table} t`),
    ),
  );
  const places = { database: rows.flat().map(({ row }) => row), log: app.logged };
  expect(places.database.some((row) => row.includes("secretive"))).toBe(true);
  expect(places.log.length).toBeGreaterThan(0);
  const sessionToken = "token" in enrolment ? enrolment.token : "";
  for (const secret of [code, token, noticeToken, enrolmentToken, sessionToken, chosen.password, chosen.displayName, chosen.personalPhrase]) {
    for (const form of [secret, Buffer.from(secret).toString("hex"), Buffer.from(secret, "base64url").toString("hex")]) {
      for (const [place, lines] of Object.entries(places)) expect({ place, found: lines.filter((line) => line.includes(form)) }).toEqual({ place, found: [] });
    }
  }
});

test("what is over for a day is forgotten", async () => {
  await askedCode(app, "forgotten@mail.example", await noticeFor(app, "forgotten@mail.example"));
  const kept = async (): Promise<number> => (await sql(app, "select from validations where address = 'forgotten@mail.example'")).length;
  const forget = async (): Promise<unknown> => forgetValidations(app.ctx(), new AbortController().signal);
  app.clock.advance(DAY);
  await forget();
  expect(await kept()).toBe(1);
  app.clock.advance(CODE_MINUTES * MINUTE + 1);
  await forget();
  expect(await kept()).toBe(0);
  expect(await tryToValidate(app, { noticeToken: NOBODYS, code: "12345678" })).toMatchObject({ code: "INVALID_CODE" });
});

/** Those of these values that an input takes. */
function accepted(type: GraphQLInputType | undefined, values: Readonly<Record<string, string>>): Record<string, string> {
  const input = type && getNullableType(type);
  const fields = isInputObjectType(input) ? Object.keys(input.getFields()) : [];
  return Object.fromEntries(Object.entries(values).filter(([name]) => fields.includes(name)));
}

function wrong(code: string, by = 1): string {
  return ((Number(code) + by) % 100_000_000).toString().padStart(8, "0");
}

async function wrongCodes(address: string): Promise<number | undefined> {
  return (await sql<{ n: number }>(app, "select wrong_codes as n from validations where address = $1 order by n desc limit 1", [address]))[0]?.n;
}

/** What can be seen of a page, but for the time and the number of the request. */
async function seen(path: string, method: string): Promise<object> {
  const response = await fetch(`${app.url}${path}`, { method });
  const headers = [...response.headers].filter(([name]) => !["date", "x-request-id"].includes(name));
  return { status: response.status, headers, body: await response.text() };
}

async function rawAnswer(noticeToken: string): Promise<object> {
  const query = "mutation ($input: RequestValidationInput!) { requestValidation(input: $input) { __typename ... on RequestValidationPayload { expiresAt } } }";
  const body = JSON.stringify({ query, variables: { input: { noticeToken } } });
  const response = await fetch(`${app.url}/graphql`, { method: "POST", headers: { "content-type": "application/json" }, body });
  const headers = [...response.headers].filter(([name]) => !["date", "x-request-id"].includes(name));
  return { status: response.status, headers, body: await response.text() };
}

/** All that a visit could change. */
async function everything(): Promise<unknown> {
  return sql(
    app,
    `select (select json_agg(v order by id) from validations v) as validations, (select json_agg(n order by id) from notices n) as notices,
            (select count(*) from events) as events, (select count(*) from mails) as mails, (select count(*) from sessions) as sessions,
            (select count(*) from accounts) as accounts`,
  );
}
