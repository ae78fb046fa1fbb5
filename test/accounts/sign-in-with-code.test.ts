import {
  RequestSignInCodeDocument,
  type RequestSignInCodeMutation,
  SessionsOnDevicesDocument,
  SignInWithCodeDocument,
  type SignInWithCodeMutation,
} from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { mayUseEmailCode } from "../../src/accounts/email-code-policy.ts";
import { attemptRules } from "../../src/accounts/throttle.ts";
import { MINUTE } from "../../src/clock.ts";
import { reactions } from "../../src/ledger/reactions.ts";
import { Language } from "../../src/mailer/language.ts";
import { signInCode } from "../../src/mailer/texts/sign-in-code.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { mailsTo } from "../support/mails.ts";
import { createPerson, PASSWORD } from "../support/people.ts";
import { forgetAttempts, holdAttemptTime, trySignIn } from "../support/signing-in.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
const time = holdAttemptTime();

beforeAll(async () => {
  app = await startTestApp({ config: { emailCodes: true } });
});

afterAll(async () => {
  time.restore();
  await app.close();
});

beforeEach(() => forgetAttempts(app));
afterEach(() => app.clock.moveTo(START));

async function request(userId: string, node = app): Promise<RequestSignInCodeMutation["requestSignInCode"]> {
  app.clock.advance(1); // So that the newest mail is known by its id
  return (await new Client(node.url).run(RequestSignInCodeDocument, { input: { userId } })).requestSignInCode;
}

async function enter(userId: string, code: string, deviceToken?: string): Promise<SignInWithCodeMutation["signInWithCode"]> {
  const input = { userId, code, ...(deviceToken !== undefined && { deviceToken }) };
  return (await new Client(app.url).run(SignInWithCodeDocument, { input })).signInWithCode;
}

/** The code in the last mail to an address. */
async function codeSentTo(address: string): Promise<string> {
  const data = (await mailsTo(app, address)).findLast(({ kind }) => kind === "sign-in-code")?.data;
  return typeof data === "object" && data !== null && "code" in data ? String(data.code) : "";
}

const wrongBy = (code: string): string => `${(Number(code[0]) + 1) % 10}${code.slice(1)}`;
const refused = { code: "INVALID_CREDENTIALS" };
const signedIn = { token: expect.stringMatching(/^[\w-]{43}$/) };

test("a code that was sent signs its owner in, once", async () => {
  const { address, accountId } = await createPerson(app, "coder");
  const known = (await eventsOf(app)).length;
  expect(await request(" CODER ")).toEqual({ expiresAt: new Date(app.clock.now().getTime() + 10 * MINUTE).toISOString() });
  expect(await mailsTo(app, address)).toEqual([
    { id: expect.any(String), kind: "sign-in-code", data: { code: expect.stringMatching(/^\d{8}$/), minutes: 10 } },
  ]);
  const code = await codeSentTo(address);
  const answer = await enter("coder", ` ${code.slice(0, 4)} ${code.slice(4)} `);
  expect(answer).toMatchObject({ ...signedIn, account: { userId: "coder", displayName: "Test coder" }, deviceToken: expect.any(String) });
  const client = new Client(app.url, "token" in answer ? answer.token : null);
  expect((await client.run(SessionsOnDevicesDocument, {})).sessions).toMatchObject([{ method: "EMAIL_CODE", isCurrent: true }]);
  expect(await enter("coder", code)).toMatchObject(refused);
  expect((await eventsOf(app)).slice(known).map(({ action, actor_id, subject_id, code }) => ({ action, actor_id, subject_id, code }))).toEqual([
    { action: "sign-in-code.requested", actor_id: null, subject_id: accountId, code: null },
    { action: "session.started", actor_id: accountId, subject_id: expect.any(String), code: "EMAIL_CODE" },
    { action: "request.refused", actor_id: null, subject_id: null, code: "INVALID_CREDENTIALS" },
  ]);
  expect(reactions["sign-in-code.requested"]).toEqual(["send-mails"]);
});

test("a code used ten times at once starts one session", async () => {
  const { address } = await createPerson(app, "impatient");
  await request("impatient");
  const code = await codeSentTo(address);
  const answers = await Promise.all(Array.from({ length: 5 }, () => enter("impatient", code)));
  expect(answers.filter((answer) => "token" in answer)).toHaveLength(1);
});

test("a code holds for ten minutes", async () => {
  const { address } = await createPerson(app, "slow");
  await request("slow");
  app.clock.advance(10 * MINUTE - 1);
  expect(await enter("slow", await codeSentTo(address))).toMatchObject(signedIn);
  await forgetAttempts(app);
  await request("slow");
  app.clock.advance(10 * MINUTE);
  expect(await enter("slow", await codeSentTo(address))).toMatchObject(refused);
  await sweep(app.ctx());
  expect(await sql(app, "select id from sign_in_codes where expires_at <= $1", [app.clock.now()])).toEqual([]);
});

test("five wrong codes void it, four do not, however parallel they come", async () => {
  const { address } = await createPerson(app, "unsure");
  await request("unsure");
  let code = await codeSentTo(address);
  await Promise.all(Array.from({ length: 4 }, () => enter("unsure", wrongBy(code))));
  expect(await enter("unsure", code)).toMatchObject(signedIn);
  await request("unsure");
  code = await codeSentTo(address);
  const wrong = await Promise.all(Array.from({ length: 5 }, () => enter("unsure", wrongBy(code))));
  expect(wrong.map((answer) => ("code" in answer ? answer.code : null))).toEqual(Array<string>(5).fill("INVALID_CREDENTIALS"));
  expect(await enter("unsure", code)).toMatchObject(refused);
});

test("a new code voids the one before, and opens nobody else's account", async () => {
  const [{ address }] = [await createPerson(app, "twice"), await createPerson(app, "bystander")];
  await request("twice");
  const first = await codeSentTo(address);
  await request("twice");
  const second = await codeSentTo(address);
  await request("bystander");
  expect(await enter("twice", first)).toMatchObject(first === second ? signedIn : refused);
  expect(await enter("bystander", second)).toMatchObject(refused);
  expect(await enter("twice", second)).toMatchObject(signedIn);
});

test.each(Object.values(AccountKind))("a %s is sent one only if that is an external person", async (kind) => {
  const { address } = await createPerson(app, `kind-${kind.toLowerCase()}`, kind);
  const external = kind !== AccountKind.EMPLOYEE && kind !== AccountKind.ADMINISTRATOR;
  expect(await request(`kind-${kind.toLowerCase()}`)).toEqual({ expiresAt: expect.any(String) });
  expect(await mailsTo(app, address)).toHaveLength(external ? 1 : 0);
  expect(mayUseEmailCode({ kind, disabledAt: null, secondFactorAt: null })).toBe(external);
  expect(mayUseEmailCode({ kind, disabledAt: null, secondFactorAt: START })).toBe(false);
  expect(mayUseEmailCode({ kind, disabledAt: START, secondFactorAt: null })).toBe(false);
});

test("a code is not good any more once its account is disabled", async () => {
  const { address, accountId } = await createPerson(app, "dismissed");
  await request("dismissed");
  const code = await codeSentTo(address);
  await sql(app, "update accounts set disabled_at = $1 where id = $2", [START, accountId]);
  expect(await enter("dismissed", code)).toMatchObject(refused);
  await sql(app, "update accounts set disabled_at = null where id = $1", [accountId]);
  expect(await enter("dismissed", code)).toMatchObject(signedIn);
});

test("nobody can tell by the answer who has an account, when asking for a code or entering one", async () => {
  await createPerson(app, "real");
  await createPerson(app, "staff", AccountKind.EMPLOYEE);
  const asked = await request("real");
  const entered = await enter("real", "00000000");
  for (const userId of ["no-such-user", "staff", "", "re\0al", "x".repeat(100_000)]) {
    await forgetAttempts(app);
    app.clock.moveTo(START);
    expect(await request(userId)).toEqual(asked);
    expect(await enter(userId, "00000000")).toEqual(entered);
  }
  expect(await enter("real", "")).toEqual(entered);
});

test("asking takes the same time for a known and an unknown user ID", async () => {
  const { address } = await createPerson(app, "asked-for");
  const times: Record<string, number[]> = { "asked-for": [], "never-asked": [] };
  for (let n = 0; n < 30; n += 1) {
    await forgetAttempts(app);
    for (const userId of n % 2 === 0 ? ["asked-for", "never-asked"] : ["never-asked", "asked-for"]) {
      const start = performance.now();
      expect(await request(userId)).toMatchObject({ expiresAt: expect.any(String) });
      times[userId]?.push(performance.now() - start);
    }
  }
  expect(await mailsTo(app, address)).toHaveLength(30);
  expect(await mailsTo(app, "nobody@invalid")).toEqual([]);
  const [known = [], unknown = []] = Object.values(times);
  const quantile = (values: readonly number[], share: number): number => values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? NaN;
  const line = (values: readonly number[]): string => [0.25, 0.5, 0.75, 0.9].map((share) => `p${share * 100} ${quantile(values, share).toFixed(2)}`).join("  ");
  process.stdout.write(`a code asked for, known    ${line(known)} ms\na code asked for, unknown  ${line(unknown)} ms\n`);
  const difference = quantile(
    known.map((time, n) => time - (unknown[n] ?? NaN)),
    0.5,
  );
  expect(Math.abs(difference)).toBeLessThan(Math.max(5, (quantile(known, 0.75) - quantile(known, 0.25)) / 2));
});

test("asking is limited for each user ID, known or not, so that nobody's mailbox is flooded", async () => {
  const { address } = await createPerson(app, "pestered");
  const { free } = attemptRules["sign-in-code/account"];
  for (const userId of ["pestered", "nobody-to-pester"]) {
    for (let n = 0; n < free; n += 1) expect(await request(userId)).toMatchObject({ expiresAt: expect.any(String) });
    expect(await request(userId)).toMatchObject({ code: "THROTTLED", retryAfter: expect.any(Number) });
  }
  expect(await mailsTo(app, address)).toHaveLength(free);
});

test("wrong codes count like wrong passwords, for the same account", async () => {
  await createPerson(app, "both-ways");
  const half = attemptRules["sign-in/account"].free / 2;
  for (let n = 0; n < half; n += 1) expect(await enter("both-ways", "00000000")).toMatchObject(refused);
  for (let n = 0; n < half; n += 1) expect(await trySignIn(app, "both-ways", { password: "a wrong password" })).toMatchObject(refused);
  expect(await enter("both-ways", "00000000")).toMatchObject({ code: "THROTTLED" });
  expect(await trySignIn(app, "both-ways")).toMatchObject({ code: "THROTTLED" });
});

test("the owner can ask and enter on a known device while strangers use up the account's share", async () => {
  const { address } = await createPerson(app, "hemmed-in");
  const { deviceToken } = await trySignIn(app, "hemmed-in");
  if (deviceToken === null) throw new Error("The device got no token");
  for (let n = 0; n < attemptRules["sign-in-code/account"].free; n += 1) await request("hemmed-in");
  for (let n = 0; n < attemptRules["sign-in/account"].free; n += 1) await enter("hemmed-in", "00000000");
  expect(await request("hemmed-in")).toMatchObject({ code: "THROTTLED" });
  app.clock.advance(1);
  const asked = await new Client(app.url).run(RequestSignInCodeDocument, { input: { userId: "hemmed-in", deviceToken } });
  expect(asked.requestSignInCode).toMatchObject({ expiresAt: expect.any(String) });
  expect(await enter("hemmed-in", await codeSentTo(address), deviceToken)).toMatchObject({ ...signedIn, deviceToken: null });
});

test("the database keeps no code in the clear", async () => {
  const { address } = await createPerson(app, "discreet");
  await request("discreet");
  const code = await codeSentTo(address);
  const [kept] = await sql<{ text: string }>(app, "select (select json_agg(c)::text from sign_in_codes c) || (select json_agg(m)::text from mails m) as text");
  expect(kept?.text).toContain("code_hash");
  expect(kept?.text).not.toContain(code);
  expect(kept?.text).not.toContain(Buffer.from(code).toString("hex"));
  expect(app.logged.join("")).not.toContain(code);
});

test("while the organisation does not allow it both say so, and everything else works", async () => {
  const off = await startTestApp({ beside: app, config: { emailCodes: false } });
  try {
    const { address } = await createPerson(app, "old-fashioned");
    expect(await request("old-fashioned", off)).toMatchObject({ code: "SIGN_IN_METHOD_OFF" });
    await request("old-fashioned");
    const input = { userId: "old-fashioned", code: await codeSentTo(address) };
    const { signInWithCode } = await new Client(off.url).run(SignInWithCodeDocument, { input });
    expect(signInWithCode).toMatchObject({ code: "SIGN_IN_METHOD_OFF" });
    await Client.signIn(off.url, "old-fashioned", PASSWORD);
    expect(await enter(input.userId, input.code)).toMatchObject(signedIn);
  } finally {
    await off.close();
  }
});

test("the mail has the code and for how long it holds, and no link", () => {
  const [data, brand] = [
    { code: "01234567", minutes: 10 },
    { organisation: "Example Health", publicUrl: "https://mail.insurer.example" },
  ];
  for (const [language, words] of [
    [Language.EN, "for 10 minutes"],
    [Language.ES, "durante 10 minutos"],
  ] as const) {
    const text = signInCode[language](data, brand);
    expect(text).toMatchObject({ code: "01234567", subject: expect.stringContaining("Example Health") });
    expect(text.paragraphs.join(" ")).toContain(words);
    expect(text.link).toBeUndefined();
  }
});
