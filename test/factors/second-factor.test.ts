import {
  BeginTotpSetupDocument,
  ConfirmTotpDocument,
  RegenerateRecoveryCodesDocument,
  RemovePasskeyDocument,
  RemoveTotpDocument,
  SecondFactorsDocument,
  ViewerDocument,
} from "../../operations/generated/operations.ts";
import { accountByKey } from "../../src/accounts/account.ts";
import { SignInMethod } from "../../src/accounts/session.ts";
import { startSession } from "../../src/accounts/start-session.ts";
import { HOUR, MINUTE, SECOND } from "../../src/clock.ts";
import { useRecoveryCode } from "../../src/factors/recovery-codes.ts";
import { stepOfCode } from "../../src/factors/totp-code.ts";
import { useTotp } from "../../src/factors/use-totp.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Authenticator } from "../support/authenticator.ts";
import { Client } from "../support/client.ts";
import { addPasskey, addTotp, changesTold, clientOf, codeAt, passkeyAnswer, signInAs } from "../support/factors.ts";
import { member, PASSWORD } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

afterAll(() => app.close());

const wrong = { code: "INVALID_CREDENTIALS", field: "secondFactor" };

describe("a code of RFC 6238", () => {
  const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"; // "12345678901234567890", appendix B

  test.each([
    [59, "287082"],
    [1_111_111_109, "081804"],
    [1_111_111_111, "050471"],
    [1_234_567_890, "005924"],
    [2_000_000_000, "279037"],
    [20_000_000_000, "353130"],
  ])("at second %i is %s", (seconds, code) => {
    const step = Math.floor(seconds / 30);
    const at = (second: number): Date => new Date(second * SECOND);
    expect(codeAt(secret, seconds)).toBe(code);
    expect(stepOfCode(secret, code, at(seconds), null)).toBe(step);
    expect(stepOfCode(secret, `${code.slice(0, 3)} ${code.slice(3)}`, at(seconds), null)).toBe(step);
  });

  test("counts one step early and one step late, and not two", () => {
    const code = codeAt(secret, 300);
    const stepAt = (second: number): number | null => stepOfCode(secret, code, new Date(second * SECOND), null);
    expect([269, 270, 299, 300, 329, 330, 359, 360].map(stepAt)).toEqual([null, 10, 10, 10, 10, 10, 10, null]);
  });

  test("counts only after the step that was used last", () => {
    const code = codeAt(secret, 300);
    const stepAfter = (used: number): number | null => stepOfCode(secret, code, new Date(300 * SECOND), used);
    expect([9, 10, 11].map(stepAfter)).toEqual([10, null, null]);
  });

  test.each(["", "12345", "1234567", "abcdef", "１２３４５６"])("is never %j", (code) => {
    expect(stepOfCode(secret, code, new Date(0), null)).toBeNull();
  });
});

describe("an authenticator app", () => {
  test("is set up by its first code, and from then on a password alone signs nobody in", async () => {
    const maria = await member(app, "maria");
    const { beginTotpSetup } = await maria.client.run(BeginTotpSetupDocument, {});
    const { secret, uri } = "secret" in beginTotpSetup ? beginTotpSetup : { secret: "", uri: "" };
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(uri).toBe(`otpauth://totp/Example%20Health:maria?secret=${secret}&issuer=Example%20Health`);
    expect(await signInAs(app, "maria")).toMatchObject({ token: expect.any(String) });

    const confirm = async (code: string) => (await maria.client.run(ConfirmTotpDocument, { input: { code } })).confirmTotp;
    const now = app.clock.now().getTime() / SECOND;
    expect(await confirm(codeAt(secret, now - 90))).toMatchObject({ code: "INVALID_INPUT", field: "code" });
    const confirmed = await confirm(codeAt(secret, now));
    expect(confirmed).toEqual({ since: app.clock.now().toISOString(), recoveryCodes: expect.any(Array) });
    const codes = "recoveryCodes" in confirmed ? confirmed.recoveryCodes : [];
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^([0-9a-hjkmnp-tv-z]{4}-){2}[0-9a-hjkmnp-tv-z]{4}$/);

    expect(await signInAs(app, "maria")).toMatchObject({ code: "SECOND_FACTOR_REQUIRED", field: "secondFactor", methods: ["TOTP", "RECOVERY_CODE"] });
    expect(await signInAs(app, "maria", { totp: codeAt(secret, now) })).toMatchObject(wrong); // It confirmed the app
    app.clock.advance(30 * SECOND);
    const signedIn = await signInAs(app, "maria", { totp: codeAt(secret, now + 30) });
    expect((await clientOf(app, signedIn).run(ViewerDocument, {})).viewer?.account.userId).toBe("maria");
    expect((await maria.client.run(SecondFactorsDocument, {})).secondFactors).toEqual({
      isRequired: false,
      passkeys: [],
      totpSince: expect.any(String),
      recoveryCodesLeft: 10,
    });
    expect(await changesTold(app, maria.address)).toMatchObject([{ kind: "factor-changed", data: { change: "added", method: "TOTP" } }]);

    const [row] = await sql<{ secret: Buffer }>(app, "select secret from totp_secrets where account_id = $1", [maria.accountId]);
    expect(row?.secret.toString("latin1")).not.toContain(secret);
    for (const confidential of [secret, ...codes]) expect(app.logged.join("")).not.toContain(confidential);
  });

  test("tells what the account has only to whoever knows the password", async () => {
    const { client } = await member(app, "guarded");
    const { code } = await addTotp(app, client);
    app.clock.advance(MINUTE);
    const answers = [await signInAs(app, "guarded", null, "wrong password"), await signInAs(app, "guarded", { totp: code() }, "wrong password")];
    answers.push(await signInAs(app, "nobody-at-all", { totp: code() }, "wrong password"));
    expect(answers[0]).toEqual({ code: "INVALID_CREDENTIALS", message: expect.any(String), field: null, methods: null, retryAfter: null });
    expect(answers).toEqual([answers[0], answers[0], answers[0]]);
    expect(await signInAs(app, "guarded", { totp: code() })).toMatchObject({ token: expect.any(String) });
  });

  test("gives codes that count once, and none after a later one; of twenty at once one gets in", async () => {
    const { client, accountId } = await member(app, "once");
    const { code } = await addTotp(app, client);
    app.clock.advance(MINUTE);
    expect(await signInAs(app, "once", { totp: code(1) })).toMatchObject({ token: expect.any(String) });
    for (const steps of [1, 0, -1]) expect(await signInAs(app, "once", { totp: code(steps) })).toMatchObject(wrong);
    app.clock.advance(MINUTE);
    const used = await Promise.all(Array.from({ length: 20 }, () => useTotp(app.ctx(), accountId, code())));
    expect(used.filter(Boolean)).toHaveLength(1);
  });

  test("takes the place of an earlier one once it is confirmed, within the hour, and leaves the recovery codes as they are", async () => {
    const { client } = await member(app, "new-phone");
    const old = await addTotp(app, client);
    const { beginTotpSetup } = await client.run(BeginTotpSetupDocument, {});
    const secret = "secret" in beginTotpSetup ? beginTotpSetup.secret : "";
    app.clock.advance(MINUTE);
    expect(await signInAs(app, "new-phone", { totp: old.code() })).toMatchObject({ token: expect.any(String) });
    const now = app.clock.now().getTime() / SECOND;
    const { confirmTotp } = await client.run(ConfirmTotpDocument, { input: { code: codeAt(secret, now) } });
    expect(confirmTotp).toMatchObject({ recoveryCodes: [] });
    expect(await signInAs(app, "new-phone", { totp: old.code(1) })).toMatchObject(wrong);
    expect(await signInAs(app, "new-phone", { totp: codeAt(secret, now + 30) })).toMatchObject({ token: expect.any(String) });
    expect(await signInAs(app, "new-phone", { recoveryCode: old.recoveryCodes[0] ?? "" })).toMatchObject({ token: expect.any(String) });
  });

  test("that was begun more than an hour ago cannot be confirmed, and is swept", async () => {
    const { client, accountId } = await member(app, "slow");
    const { beginTotpSetup } = await client.run(BeginTotpSetupDocument, {});
    const secret = "secret" in beginTotpSetup ? beginTotpSetup.secret : "";
    app.clock.advance(HOUR);
    const again = clientOf(app, await signInAs(app, "slow"));
    const code = codeAt(secret, app.clock.now().getTime() / SECOND);
    expect((await again.run(ConfirmTotpDocument, { input: { code } })).confirmTotp).toMatchObject({ code: "INVALID_INPUT", field: null });
    await sweep(app.ctx());
    expect(await sql(app, "select 1 from totp_secrets where account_id = $1", [accountId])).toEqual([]);
  });

  test("is removed, and the password alone signs in again", async () => {
    const tom = await member(app, "tom");
    const { recoveryCodes } = await addTotp(app, tom.client);
    expect((await tom.client.run(RemoveTotpDocument, {})).removeTotp).toEqual({ removedAt: app.clock.now().toISOString() });
    expect((await tom.client.run(RemoveTotpDocument, {})).removeTotp).toMatchObject({ code: "INVALID_INPUT" });
    expect((await tom.client.run(SecondFactorsDocument, {})).secondFactors).toMatchObject({ totpSince: null, recoveryCodesLeft: 0 });
    expect(await useRecoveryCode(app.ctx(), tom.accountId, recoveryCodes[0] ?? "")).toBe(false);
    expect(await signInAs(app, "tom")).toMatchObject({ token: expect.any(String) });
    const events = (await eventsOf(app)).filter(({ actor_id, action }) => actor_id === tom.accountId && action.startsWith("factor."));
    expect(events.map(({ action, code }) => [action, code])).toEqual([
      ["factor.added", "TOTP"],
      ["factor.removed", "TOTP"],
    ]);
  });
});

test("the mail about a change is known by the words that its reader chose", async () => {
  const { client, accountId, address } = await member(app, "wary");
  const directory = await app.ctx().dataKeys.directory();
  const phrase = directory.seal<string>({ id: accountId, field: "phrase" }, "blue heron at noon");
  await sql(app, "update accounts set phrase = $2 where id = $1", [accountId, phrase]);
  await addTotp(app, client);
  const [mail] = await sql<{ id: string; phrase: Buffer }>(app, "select id, phrase from mails where address = $1 and kind = 'factor-changed'", [address]);
  if (mail === undefined) throw new Error("No mail was queued");
  const opener = await app.ctx().dataKeys.forSealed([mail.phrase]);
  expect(opener.open<string>({ id: mail.id, field: "phrase" }, mail.phrase)).toBe("blue heron at noon");
});

describe("recovery codes", () => {
  test("are good once each, however they are typed; of twenty at once one gets in", async () => {
    const { client, accountId } = await member(app, "forgetful");
    const { recoveryCodes } = await addTotp(app, client);
    const [first = "", second = "", third = ""] = recoveryCodes;
    expect(await signInAs(app, "forgetful", { recoveryCode: first })).toMatchObject({ token: expect.any(String) });
    expect(await signInAs(app, "forgetful", { recoveryCode: first })).toMatchObject(wrong);
    expect(await signInAs(app, "forgetful", { recoveryCode: ` ${second.toUpperCase().replaceAll("-", " ")} ` })).toMatchObject({ token: expect.any(String) });
    const used = await Promise.all(Array.from({ length: 20 }, () => useRecoveryCode(app.ctx(), accountId, third)));
    expect(used.filter(Boolean)).toHaveLength(1);
    expect((await client.run(SecondFactorsDocument, {})).secondFactors.recoveryCodesLeft).toBe(7);
    const uses = (await eventsOf(app)).filter(({ action, actor_id }) => action === "factor.used" && actor_id === accountId);
    expect(uses.map(({ code }) => code)).toEqual(["RECOVERY_CODE", "RECOVERY_CODE"]);
  });

  test("of somebody else are worth nothing", async () => {
    const [una, vera] = [await member(app, "una"), await member(app, "vera")];
    const { recoveryCodes } = await addTotp(app, una.client);
    await addTotp(app, vera.client);
    const [code = ""] = recoveryCodes;
    expect(await signInAs(app, "vera", { recoveryCode: code })).toMatchObject(wrong);
    expect(await signInAs(app, "una", { recoveryCode: code })).toMatchObject({ token: expect.any(String) });
  });

  test("are made anew for who has a factor they stand in for, and void the old ones", async () => {
    const rosa = await member(app, "rosa");
    const regenerate = async () => (await rosa.client.run(RegenerateRecoveryCodesDocument, {})).regenerateRecoveryCodes;
    expect(await regenerate()).toMatchObject({ code: "INVALID_INPUT" });
    const { recoveryCodes: old } = await addTotp(app, rosa.client);
    const made = await regenerate();
    const fresh = "recoveryCodes" in made ? made.recoveryCodes : [];
    expect(new Set([...old, ...fresh]).size).toBe(20);
    expect(await signInAs(app, "rosa", { recoveryCode: old[0] ?? "" })).toMatchObject(wrong);
    expect(await signInAs(app, "rosa", { recoveryCode: fresh[0] ?? "" })).toMatchObject({ token: expect.any(String) });
    expect((await changesTold(app, rosa.address)).map(({ data }) => data)).toContainEqual({ change: "renewed", method: "RECOVERY_CODE" });
  });
});

describe("a passkey as second factor", () => {
  test("gets in after the password, and only one of the same account", async () => {
    const [pia, quin] = [await member(app, "pia"), await member(app, "quin")];
    const { authenticator } = await addPasskey(pia.client);
    const { authenticator: others } = await addPasskey(quin.client);
    expect(await signInAs(app, "pia")).toMatchObject({ code: "SECOND_FACTOR_REQUIRED", methods: ["PASSKEY", "RECOVERY_CODE"] });
    const anonymous = new Client(app.url);
    expect(await signInAs(app, "pia", { passkey: await passkeyAnswer(anonymous, others) })).toMatchObject(wrong);
    expect(await signInAs(app, "pia", { passkey: await passkeyAnswer(anonymous, new Authenticator(app.url)) })).toMatchObject(wrong);
    expect(await signInAs(app, "pia", { passkey: await passkeyAnswer(anonymous, authenticator) })).toMatchObject({ token: expect.any(String) });
  });

  test("that is the last one takes the recovery codes along, but not while an app is left", async () => {
    const { client } = await member(app, "both");
    const { passkeyId } = await addPasskey(client);
    await addTotp(app, client);
    await client.run(RemovePasskeyDocument, { input: { passkeyId } });
    expect((await client.run(SecondFactorsDocument, {})).secondFactors.recoveryCodesLeft).toBe(10);
    expect(await signInAs(app, "both")).toMatchObject({ code: "SECOND_FACTOR_REQUIRED", methods: ["TOTP", "RECOVERY_CODE"] });
  });
});

test("exactly one second factor is given", async () => {
  const { client } = await member(app, "generous");
  const { code, recoveryCodes } = await addTotp(app, client);
  app.clock.advance(MINUTE);
  for (const given of [{}, { totp: code(), recoveryCode: recoveryCodes[0] ?? "" }])
    expect(await signInAs(app, "generous", given)).toMatchObject({ code: "INVALID_INPUT", field: "secondFactor" });
  expect(await signInAs(app, "generous", { totp: code() })).toMatchObject({ token: expect.any(String) });
  await member(app, "plain");
  expect(await signInAs(app, "plain", { totp: "123456" }, PASSWORD)).toMatchObject({ token: expect.any(String) }); // Has none to give
});

test("whatever else starts a session, a code by mail say, does not get past the second factor", async () => {
  const { client, accountId } = await member(app, "mailed");
  const start = async (method: SignInMethod): Promise<unknown> => {
    const ctx = app.ctx();
    const account = await accountByKey.load(ctx, accountId);
    return account && startSession(ctx, account, method).catch((error: unknown) => error);
  };
  expect(await start(SignInMethod.EMAIL_CODE)).toMatchObject({ token: expect.any(String) });
  await addTotp(app, client);
  for (const method of [SignInMethod.EMAIL_CODE, SignInMethod.PASSWORD])
    expect(await start(method)).toMatchObject({ problem: { code: "SECOND_FACTOR_REQUIRED" } });
  expect(await start(SignInMethod.SINGLE_SIGN_ON)).toMatchObject({ token: expect.any(String) });
});
