import {
  AddPasskeyDocument,
  AdvanceClockDocument,
  BeginPasskeyRegistrationDocument,
  BeginTotpSetupDocument,
  ChangePasswordDocument,
  ConfirmIdentityDocument,
  type ConfirmIdentityInput,
  ExportMessagesDocument,
  RegenerateRecoveryCodesDocument,
  RemovePasskeyDocument,
  RemoveTotpDocument,
} from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { MINUTE, SECOND } from "../../src/clock.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Authenticator } from "../support/authenticator.ts";
import { Client } from "../support/client.ts";
import { addPasskey, addTotp, beginPasskeyRegistration, clientOf, passkeyAnswer, signInAs } from "../support/factors.ts";
import { deliver, newestOf } from "../support/mail.ts";
import { placeHold, tryHold, tryLift } from "../support/holds.ts";
import { createPerson, employee, member, PASSWORD, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { eventsOf } from "../support/sql.ts";

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

afterAll(() => app.close());

const stepUp = { code: "STEP_UP_REQUIRED" };

async function askForExport({ mailboxId }: SignedInPerson, client: Client) {
  return (await client.run(ExportMessagesDocument, { input: { mailboxId } })).exportMessages;
}

async function confirm(client: Client, input: ConfirmIdentityInput) {
  return (await client.run(ConfirmIdentityDocument, { input })).confirmIdentity;
}

test("ten minutes after signing in an export needs a new proof, which is good for ten minutes more", async () => {
  const maria = await member(app, "maria");
  const { client, accountId } = maria;
  app.clock.advance(10 * MINUTE - SECOND);
  expect(await askForExport(maria, client)).toMatchObject({ export: expect.anything() });
  app.clock.advance(SECOND);
  expect(await askForExport(maria, client)).toMatchObject(stepUp);
  expect(await client.send("{ limits { maxIds } }")).toMatchObject({ status: 200 });

  expect(await confirm(client, { password: "wrong password" })).toMatchObject({ code: "INVALID_CREDENTIALS", field: "password" });
  expect(await askForExport(maria, client)).toMatchObject(stepUp);
  const until = new Date(app.clock.now().getTime() + 10 * MINUTE).toISOString();
  expect(await confirm(client, { password: PASSWORD })).toEqual({ confirmedUntil: until });
  expect(await askForExport(maria, client)).toMatchObject({ export: expect.anything() });
  app.clock.advance(10 * MINUTE);
  expect(await askForExport(maria, client)).toMatchObject(stepUp);
  expect(await askForExport(maria, clientOf(app, await signInAs(app, "maria")))).toMatchObject({ export: expect.anything() });

  const confirmed = (await eventsOf(app)).filter(({ action, actor_id }) => action === "session.confirmed" && actor_id === accountId);
  expect(confirmed).toMatchObject([{ code: "PASSWORD", subject_id: expect.any(String) }]);
});

test("so does placing or lifting a hold", async () => {
  const [staff, otto] = [await employee(app, "hilda"), await member(app, "otto")];
  await deliver(staff, otto);
  const { id } = await newestOf(staff, { folder: "SENT" });
  const hold = await placeHold(staff, id);
  app.clock.advance(10 * MINUTE);
  expect(await tryHold(staff, id)).toMatchObject(stepUp);
  expect(await tryLift(staff, hold)).toMatchObject(stepUp);
  await confirm(staff.client, { password: PASSWORD });
  expect(await tryLift(staff, hold)).toMatchObject({ hold: { id: hold } });
});

test("a password that is good only beside a second factor keeps the last one", async () => {
  const kim = await member(app, "kim");
  await addTotp(app, kim.client);
  await confirm(kim.client, { password: PASSWORD });
  const change = { input: { currentPassword: PASSWORD, newPassword: "tv8 kqz!" } };
  expect((await kim.client.run(ChangePasswordDocument, change)).changePassword).toHaveProperty("changedAt");
  expect((await kim.client.run(RemoveTotpDocument, {})).removeTotp).toMatchObject({ code: "WEAK_PASSWORD" });
  const longer = { input: { currentPassword: "tv8 kqz!", newPassword: "blue kettle runs north" } };
  expect((await kim.client.run(ChangePasswordDocument, longer)).changePassword).toHaveProperty("changedAt");
  expect((await kim.client.run(RemoveTotpDocument, {})).removeTotp).toHaveProperty("removedAt");
});

test("whoever has a second factor gives it with the password, or a passkey instead of both", async () => {
  const tom = await member(app, "tom");
  const { code } = await addTotp(app, tom.client);
  const { authenticator } = await addPasskey(tom.client);
  app.clock.advance(10 * MINUTE);
  expect(await confirm(tom.client, { password: PASSWORD })).toMatchObject({ code: "SECOND_FACTOR_REQUIRED", methods: ["PASSKEY", "TOTP", "RECOVERY_CODE"] });
  expect(await confirm(tom.client, { password: PASSWORD, secondFactor: { totp: "000000" } })).toMatchObject({ code: "INVALID_CREDENTIALS" });
  expect(await askForExport(tom, tom.client)).toMatchObject(stepUp);
  expect(await confirm(tom.client, { password: PASSWORD, secondFactor: { totp: code() } })).toMatchObject({ confirmedUntil: expect.any(String) });
  expect(await askForExport(tom, tom.client)).toMatchObject({ export: expect.anything() });

  app.clock.advance(10 * MINUTE);
  const una = await member(app, "una");
  const { authenticator: hers } = await addPasskey(una.client);
  for (const other of [hers, new Authenticator(app.url)])
    expect(await confirm(tom.client, { passkey: await passkeyAnswer(tom.client, other) })).toMatchObject({ code: "INVALID_CREDENTIALS", field: "passkey" });
  expect(await confirm(tom.client, { passkey: await passkeyAnswer(tom.client, authenticator) })).toMatchObject({ confirmedUntil: expect.any(String) });
  expect(await askForExport(tom, tom.client)).toMatchObject({ export: expect.anything() });
});

test.each<[string, ConfirmIdentityInput]>([
  ["nothing", {}],
  ["a second factor alone", { secondFactor: { totp: "123456" } }],
  ["a password and a passkey", { password: PASSWORD, passkey: { challengeId: "x", response: {} } }],
])("%s is no proof", async (what, input) => {
  const { client } = await member(app, `proof-${what.replace(/\W/g, "-")}`);
  expect(await confirm(client, input)).toMatchObject({ code: "INVALID_INPUT", field: "input" });
});

test("a session from before there was a second factor is not enough any more, however fresh it is", async () => {
  const vera = await member(app, "vera");
  const stolen = await Client.signIn(app.url, "vera", PASSWORD);
  expect(await askForExport(vera, stolen)).toMatchObject({ export: expect.anything() });
  const { code } = await addTotp(app, vera.client);
  expect(await askForExport(vera, stolen)).toMatchObject(stepUp);
  expect((await stolen.run(RemoveTotpDocument, {})).removeTotp).toMatchObject(stepUp);
  expect((await stolen.run(BeginPasskeyRegistrationDocument, {})).beginPasskeyRegistration).toMatchObject(stepUp);
  expect(await confirm(stolen, { password: PASSWORD })).toMatchObject({ code: "SECOND_FACTOR_REQUIRED" });
  app.clock.advance(MINUTE);
  expect(await confirm(stolen, { password: PASSWORD, secondFactor: { totp: code() } })).toMatchObject({ confirmedUntil: expect.any(String) });
  expect((await stolen.run(RemoveTotpDocument, {})).removeTotp).toMatchObject({ removedAt: expect.any(String) });
});

test("factors are changed only with a recent proof", async () => {
  const { client } = await member(app, "old-session");
  const { passkeyId, authenticator } = await addPasskey(client);
  app.clock.advance(10 * MINUTE - SECOND);
  const { challengeId, options } = await beginPasskeyRegistration(client);
  const others = {
    beginPasskeyRegistration: () => client.run(BeginPasskeyRegistrationDocument, {}),
    beginTotpSetup: () => client.run(BeginTotpSetupDocument, {}),
    regenerateRecoveryCodes: () => client.run(RegenerateRecoveryCodesDocument, {}),
    removePasskey: () => client.run(RemovePasskeyDocument, { input: { passkeyId } }),
  };
  app.clock.advance(SECOND);
  const response = new Authenticator(app.url).create(options);
  const { addPasskey: added } = await client.run(AddPasskeyDocument, { input: { challengeId, response, name: "A key" } });
  expect(added).toMatchObject(stepUp);
  for (const [name, change] of Object.entries(others)) expect(await change()).toMatchObject({ [name]: stepUp });
  expect(await confirm(client, { passkey: await passkeyAnswer(client, authenticator) })).toMatchObject({ confirmedUntil: expect.any(String) });
  await addPasskey(client);
  for (const [name, change] of Object.entries(others)) expect(await change()).not.toMatchObject({ [name]: { code: expect.any(String) } });
});

test("administration and the audit's export need a recent proof, too; looking does not", async () => {
  const there = await startTestApp({ config: { sandbox: true } });
  try {
    const { client } = await signedInPerson(there, "ada", AccountKind.ADMINISTRATOR);
    await createPerson(there, "erin", AccountKind.EMPLOYEE);
    const advance = async () => (await client.run(AdvanceClockDocument, { input: { minutes: 1 } })).advanceClock;
    const audit = async (): Promise<number> => (await client.download("/audit/events")).status;
    expect([await advance(), await audit()]).toMatchObject([{ clock: { isSandbox: true } }, 200]);
    there.clock.advance(10 * MINUTE);
    expect([await advance(), await audit()]).toMatchObject([stepUp, 403]);
    expect(await client.send("{ auditEvents { edges { cursor } } }")).toMatchObject({ data: { auditEvents: { edges: expect.any(Array) } } });
    await confirm(client, { password: PASSWORD });
    expect([await advance(), await audit()]).toMatchObject([{ clock: { isSandbox: true } }, 200]);
  } finally {
    await there.close();
  }
});

test("moving a sandbox's clock does not age the proof", async () => {
  const there = await startTestApp({ config: { sandbox: true } });
  try {
    const { client } = await signedInPerson(there, "ada", AccountKind.ADMINISTRATOR);
    const advance = async () => (await client.run(AdvanceClockDocument, { input: { days: 2 } })).advanceClock;
    for (let n = 0; n < 2; n += 1) expect(await advance()).toMatchObject({ clock: { isSandbox: true } });
  } finally {
    await there.close();
  }
});

test("STEP_UP_MINUTES says how long a proof counts", async () => {
  const there = await startTestApp({ beside: app, config: { stepUpMinutes: 2 } });
  try {
    const ines = await signedInPerson(there, "ines");
    app.clock.advance(2 * MINUTE - SECOND);
    expect(await askForExport(ines, ines.client)).toMatchObject({ export: expect.anything() });
    app.clock.advance(SECOND);
    expect(await askForExport(ines, ines.client)).toMatchObject(stepUp);
  } finally {
    await there.close();
  }
});
