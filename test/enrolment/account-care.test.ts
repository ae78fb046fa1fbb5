import {
  CloseAccountDocument,
  type CloseAccountMutation,
  ConfirmAddressChangeDocument,
  type ConfirmAddressChangeMutation,
  RequestAddressChangeDocument,
  type RequestAddressChangeMutation,
  RequestPasswordResetDocument,
  ResetPasswordDocument,
  UpdateAccountDocument,
  type UpdateAccountInput,
  type UpdateAccountMutation,
  ViewerDocument,
} from "../../operations/generated/operations.ts";
import { CODE_MINUTES } from "../../src/accounts/validation.ts";
import { MINUTE } from "../../src/clock.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { changesTold, codesTo, enrolled, forgetAttempts, mailedCode, NEW_PASSWORD, tryToEnrol, validated } from "../support/enrolling.ts";
import { eventually } from "../support/eventually.ts";
import { newestOf, sendMessage, sent } from "../support/mail.ts";
import { createPerson, employee, member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

const NOBODYS = "A".repeat(22);

let app: TestApp;
let erin: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp();
  erin = await employee(app, "erin");
});

afterAll(() => app.close());
beforeEach(() => forgetAttempts(app));
afterEach(() => app.clock.moveTo(START));

describe("what an account says about its owner", () => {
  test("is changed by them, on their mailboxes too, and what is left out stays", async () => {
    const maria = await member(app, "maria");
    const chosen = { displayName: "María Álvarez", language: "ES", personalPhrase: "Mi gato se llama Bruno" } as const;
    expect(await update(maria.client, chosen)).toMatchObject({ account: chosen });
    expect(await update(maria.client, { language: "EN" })).toMatchObject({ account: { ...chosen, language: "EN" } });
    expect(await update(maria.client, { personalPhrase: "" })).toMatchObject({ account: { displayName: chosen.displayName, personalPhrase: null } });
    const { viewer } = await maria.client.run(ViewerDocument, {});
    expect(viewer).toMatchObject({ account: { displayName: "María Álvarez" }, mailboxes: [{ displayName: "María Álvarez" }] });
    sent(await sendMessage(maria, { to: [erin.address] }));
    expect(await newestOf(erin)).toMatchObject({ from: { displayName: "María Álvarez" } });
    expect((await eventsOf(app)).filter(({ action, actor_id }) => action === "account.updated" && actor_id === maria.accountId)).toHaveLength(3);
  });

  test("is sealed, and the personal phrase is shown to its owner only", async () => {
    const { client, accountId } = await member(app, "phrased");
    const personalPhrase = "seven pangolins on a pond";
    expect(await update(client, { personalPhrase })).toMatchObject({ account: { personalPhrase } });
    const [row] = await sql<{ row: string }>(app, "select t::text as row from accounts t where id = $1", [accountId]);
    for (const form of [personalPhrase, Buffer.from(personalPhrase).toString("hex")]) expect(row?.row).not.toContain(form);
    const signIn = "mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignInPayload { account { userId personalPhrase } } } }";
    const anonymous = await new Client(app.url).send(signIn, { input: { userId: "phrased", password: PASSWORD } });
    expect(anonymous).toMatchObject({ data: { signIn: { account: { userId: "phrased", personalPhrase: null } } } });
  });
});

describe("a change of address", () => {
  test("is proved at the new one; both are told, the old mailbox stays with its mail, and the new one's mail is there", async () => {
    const { client, address: old } = await enrolled(app, "mover");
    sent(await sendMessage(erin, { to: [old], subject: "To the old one" }));
    sent(await sendMessage(erin, { to: ["mover@new.example"], subject: "To the new one" }));
    expect(await requestChange(client, "Mover <MOVER@new.example>", NEW_PASSWORD)).toEqual({ expiresAt: expect.any(String) });
    const { code, url } = await mailedCode(app, "mover@new.example");
    expect(new URL(url)).toMatchObject({ pathname: "/confirm-address", search: "" });
    expect((await client.run(ViewerDocument, {})).viewer?.account.address).toBe(old);

    expect(await confirm(client, { code })).toMatchObject({ account: { address: "mover@new.example" } });
    const { viewer } = await client.run(ViewerDocument, {});
    expect(viewer?.account.address).toBe("mover@new.example");
    expect(viewer?.mailboxes.map(({ address, unreadCount }) => ({ address, unreadCount })).toSorted((a, b) => a.address.localeCompare(b.address))).toEqual([
      { address: old, unreadCount: 1 },
      { address: "mover@new.example", unreadCount: 1 },
    ]);
    for (const address of [old, "mover@new.example"]) expect(await changesTold(app, address)).toEqual([{ what: "ADDRESS" }]);
    expect(await confirm(client, { code })).toMatchObject({ code: "INVALID_CODE" });
    expect(await tryToEnrol(app, await validated(app, old))).toMatchObject({ code: "INVALID_CODE" }); // The old one is still theirs
    expect(await requestChange(client, old, NEW_PASSWORD)).toHaveProperty("expiresAt");
    expect(await confirm(client, { token: (await mailedCode(app, old)).token })).toMatchObject({ account: { address: old } }); // And can be taken again
  });

  test("needs the password, an address that can receive, and none of the organisation's", async () => {
    const { client } = await member(app, "fixed");
    const address = "fixed@new.example";
    expect(await requestChange(client, address, "a wrong password")).toMatchObject({ code: "INVALID_CREDENTIALS", field: "password" });
    expect(await requestChange(client, "fixed@@new.example", PASSWORD)).toMatchObject({ code: "INVALID_ADDRESS", field: "address" });
    expect(await requestChange(client, "fixed@insurer.example", PASSWORD)).toMatchObject({ code: "FORBIDDEN", field: "address" });
    expect(await requestChange(erin.client, address, PASSWORD)).toMatchObject({ code: "FORBIDDEN" });
    await app.runJobsOnce();
    expect(await codesTo(app, address)).toEqual([]);
    expect(await requestChange(client, address, PASSWORD)).toHaveProperty("expiresAt");
    await app.runJobsOnce();
    expect(await codesTo(app, address)).toHaveLength(1);
  });

  test("is confirmed by whoever asked only, in time, and with at most five tries", async () => {
    const [{ client }, { client: thief }] = [await member(app, "asker"), await member(app, "thief")];
    await requestChange(client, "asker@new.example", PASSWORD);
    const { code, token } = await mailedCode(app, "asker@new.example");
    const refused = await confirm(thief, { token: NOBODYS });
    expect(refused).toMatchObject({ code: "INVALID_CODE" });
    expect(await confirm(thief, { token })).toEqual(refused);
    expect(await confirm(thief, { code })).toEqual(refused);
    app.clock.advance(CODE_MINUTES * MINUTE);
    expect(await confirm(client, { code })).toEqual(refused);
    app.clock.moveTo(START);
    for (let n = 0; n < 4; n += 1) expect(await confirm(client, { code: "0000000" })).toEqual(refused);
    expect(await confirm(client, { code })).toHaveProperty("account");

    await requestChange(client, "asker@newer.example", PASSWORD);
    const newer = await mailedCode(app, "asker@newer.example");
    await forgetAttempts(app);
    for (let n = 0; n < 5; n += 1) await confirm(client, { code: "0000000" });
    expect(await confirm(client, { code: newer.code })).toEqual(refused);
    expect(await confirm(client, { token: newer.token })).toEqual(refused);
  });

  test("to somebody else's address is asked for like any other, and refused once it is proved", async () => {
    const owner = await createPerson(app, "settled");
    const { client, address } = await member(app, "invader");
    expect(await requestChange(client, "nobody@new.example", PASSWORD)).toEqual({ expiresAt: expect.any(String) });
    const abandoned = await mailedCode(app, "nobody@new.example");
    expect(await requestChange(client, owner.address, PASSWORD)).toEqual({ expiresAt: expect.any(String) });
    const { code } = await mailedCode(app, owner.address);
    expect(await confirm(client, { token: abandoned.token })).toMatchObject({ code: "INVALID_CODE" }); // Asked again, for another address
    expect(await confirm(client, { code })).toMatchObject({ code: "ADDRESS_TAKEN" });
    expect((await client.run(ViewerDocument, {})).viewer).toMatchObject({ account: { address }, mailboxes: [{ address }] });
    expect(await Client.signIn(app.url, "settled", PASSWORD)).toBeInstanceOf(Client);
  });

  test("voids a reset that was mailed to the old address", async () => {
    const { client, address } = await member(app, "reset-then-move");
    await new Client(app.url).run(RequestPasswordResetDocument, { input: { userIdOrAddress: "reset-then-move" } });
    const { token } = await mailedCode(app, address);
    await requestChange(client, "moved@new.example", PASSWORD);
    expect(await confirm(client, { code: (await mailedCode(app, "moved@new.example")).code })).toHaveProperty("account");
    const { resetPassword } = await new Client(app.url).run(ResetPasswordDocument, {
      input: { token, newPassword: NEW_PASSWORD, resetToken: null, code: null },
    });
    expect(resetPassword).toMatchObject({ code: "INVALID_CODE" });
  });
});

describe("closing an account", () => {
  test("ends its sessions, tells its address, and keeps nothing to sign in with", async () => {
    const { client, accountId, address } = await member(app, "leaver");
    const phone = await Client.signIn(app.url, "leaver", PASSWORD);
    expect(await close(client, "a wrong password")).toMatchObject({ code: "INVALID_CREDENTIALS", field: "password" });
    expect((await client.run(ViewerDocument, {})).viewer).not.toBeNull();
    expect(await close(erin.client, PASSWORD)).toMatchObject({ code: "FORBIDDEN" });

    expect(await close(client, PASSWORD)).toEqual({ closedAt: START.toISOString() });
    await eventually(async () => {
      for (const one of [client, phone]) expect((await one.run(ViewerDocument, {})).viewer).toBeNull();
    }, 2000);
    await expect(Client.signIn(app.url, "leaver", PASSWORD)).rejects.toThrow("INVALID_CREDENTIALS");
    expect(await changesTold(app, address)).toEqual([{ what: "CLOSED" }]);
    const [row] = await sql<{ row: string }>(app, "select row_to_json(t)::text as row from accounts t where id = $1", [accountId]);
    expect(row?.row).toContain(`"disabled_at":"2026-03-02`);
    expect(row?.row).toContain(`"password_hash":null`);
    expect(row?.row).not.toContain("leaver");
    expect((await eventsOf(app)).filter(({ action }) => action === "account.closed")).toMatchObject([{ actor_id: accountId, subject_id: accountId }]);
    await new Client(app.url).run(RequestPasswordResetDocument, { input: { userIdOrAddress: "leaver" } });
    await app.runJobsOnce();
    expect(await codesTo(app, address)).toEqual([]);
  });

  test("leaves its mail to whoever enrols with the address anew, by a later notice", async () => {
    const { client, address, accountId } = await enrolled(app, "returner");
    sent(await sendMessage(erin, { to: [address], subject: "Before" }));
    expect(await close(client, NEW_PASSWORD)).toHaveProperty("closedAt");
    sent(await sendMessage(erin, { to: [address], subject: "After" }));
    const again = await enrolled(app, "returner", address);
    expect(again.accountId).not.toBe(accountId);
    expect((await again.client.run(ViewerDocument, {})).viewer?.mailboxes).toMatchObject([{ address, unreadCount: 2 }]);
  });
});

async function update(client: Client, input: Partial<UpdateAccountInput>): Promise<UpdateAccountMutation["updateAccount"]> {
  return (await client.run(UpdateAccountDocument, { input: { displayName: null, language: null, personalPhrase: null, ...input } })).updateAccount;
}

async function requestChange(client: Client, address: string, password: string): Promise<RequestAddressChangeMutation["requestAddressChange"]> {
  app.clock.advance(1); // So that its mail sorts behind those before it
  return (await client.run(RequestAddressChangeDocument, { input: { address, password } })).requestAddressChange;
}

async function confirm(client: Client, proof: { code?: string; token?: string }): Promise<ConfirmAddressChangeMutation["confirmAddressChange"]> {
  return (await client.run(ConfirmAddressChangeDocument, { input: { code: null, token: null, ...proof } })).confirmAddressChange;
}

async function close(client: Client, password: string): Promise<CloseAccountMutation["closeAccount"]> {
  return (await client.run(CloseAccountDocument, { input: { password } })).closeAccount;
}
