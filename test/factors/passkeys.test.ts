import {
  AddPasskeyDocument,
  BeginPasskeyRegistrationDocument,
  RemovePasskeyDocument,
  RenamePasskeyDocument,
  SecondFactorsDocument,
  SignInWithPasskeyDocument,
  ViewerDocument,
} from "../../operations/generated/operations.ts";
import { MINUTE } from "../../src/clock.ts";
import { MAX_PASSKEYS } from "../../src/factors/begin-passkey-registration.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Authenticator, type Misbehaviour } from "../support/authenticator.ts";
import { Client } from "../support/client.ts";
import { addPasskey, beginPasskeyRegistration, beginPasskeySignIn, changesTold, passkeyAnswer } from "../support/factors.ts";
import { freePort } from "../support/free-port.ts";
import { createPerson, member, PASSWORD } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
let anonymous: Client;

beforeAll(async () => {
  app = await startTestApp();
  anonymous = new Client(app.url);
});

afterAll(() => app.close());

/** What a sign-in with this answer comes to: a code, or null and a session. */
async function signInWith(answer: { challengeId: string; response: Record<string, unknown> }) {
  return (await anonymous.run(SignInWithPasskeyDocument, { input: answer })).signInWithPasskey;
}

async function codeOf(answer: { challengeId: string; response: Record<string, unknown> }): Promise<string | null> {
  const signedIn = await signInWith(answer);
  return "code" in signedIn ? signedIn.code : null;
}

test("a passkey is added and signs in alone, without anybody saying who they are", async () => {
  const maria = await member(app, "maria");
  const { options } = await beginPasskeyRegistration(maria.client);
  expect(options).toMatchObject({
    rp: { id: "localhost", name: "Example Health" },
    user: { name: "maria", displayName: "Test maria" },
    authenticatorSelection: { residentKey: "required", userVerification: "required" },
    attestation: "none",
    excludeCredentials: [],
  });

  const { authenticator, recoveryCodes } = await addPasskey(maria.client, "  Maria's phone ");
  expect(recoveryCodes).toHaveLength(10);
  const { secondFactors } = await maria.client.run(SecondFactorsDocument, {});
  expect(secondFactors).toMatchObject({ isRequired: false, totpSince: null, recoveryCodesLeft: 10 });
  expect(secondFactors.passkeys).toEqual([
    { id: expect.any(String), name: "Maria's phone", createdAt: app.clock.now().toISOString(), lastUsedAt: null, backedUp: false },
  ]);

  const begun = await beginPasskeySignIn(anonymous);
  expect(begun.options).toEqual({ rpId: "localhost", challenge: expect.stringMatching(/^[\w-]{43}$/), timeout: 5 * MINUTE, userVerification: "required" });
  const signedIn = await signInWith({ challengeId: begun.challengeId, response: authenticator.get(begun.options) });
  expect(signedIn).toMatchObject({ account: { userId: "maria" }, isConfined: false });
  const { viewer } = await new Client(app.url, "token" in signedIn ? signedIn.token : null).run(ViewerDocument, {});
  expect(viewer?.account.userId).toBe("maria");
  expect((await maria.client.run(SecondFactorsDocument, {})).secondFactors.passkeys).toMatchObject([{ lastUsedAt: app.clock.now().toISOString() }]);

  const events = (await eventsOf(app)).filter(({ actor_id, action }) => actor_id === maria.accountId && action !== "device.added");
  expect(events.map(({ action, code }) => [action, code])).toEqual([
    ["session.started", "PASSWORD"],
    ["factor.added", "PASSKEY"],
    ["factor.used", "PASSKEY"],
    ["session.started", "PASSKEY"],
  ]);
  expect(await changesTold(app, maria.address)).toMatchObject([{ kind: "factor-changed", data: { change: "added", method: "PASSKEY" } }]);
  expect(app.logged.join("")).not.toContain("phone");
});

test("the name of a passkey is sealed in the database", async () => {
  const nora = await member(app, "nora");
  await addPasskey(nora.client, "Nora's blue key");
  const [row] = await sql<{ name: Buffer }>(app, "select name from passkeys where account_id = $1", [nora.accountId]);
  expect(row?.name.toString("latin1")).not.toContain("blue");
});

describe("a registration", () => {
  const wrongs: [string, Misbehaviour][] = [
    ["from another page", { origin: "https://evil.example" }],
    ["for another host", { rpId: "evil.example" }],
    ["of another challenge", { challenge: "A".repeat(43) }],
    ["without its owner's PIN or finger", { userVerified: false }],
  ];

  test.each(wrongs)("%s is refused, and what is right is taken", async (what, wrong) => {
    const { client } = await member(app, `reg-${what.replace(/\W/g, "-")}`);
    const authenticator = new Authenticator(app.url);
    const add = async (misbehaviour: Misbehaviour) => {
      const { challengeId, options } = await beginPasskeyRegistration(client);
      return (await client.run(AddPasskeyDocument, { input: { challengeId, response: authenticator.create(options, misbehaviour), name: "A key" } }))
        .addPasskey;
    };
    expect(await add(wrong)).toMatchObject({ code: "INVALID_INPUT", field: "response" });
    expect(await add({})).toMatchObject({ passkey: { name: "A key" } });
  });

  test("answers its challenge once, within five minutes, for the account it was begun for, and only a registration's", async () => {
    const [una, vera] = [await member(app, "una"), await member(app, "vera")];
    const add = async (client: Client, { challengeId, options }: { challengeId: string; options: Record<string, unknown> }) => {
      const response = new Authenticator(app.url).create(options);
      return (await client.run(AddPasskeyDocument, { input: { challengeId, response, name: "A key" } })).addPasskey;
    };
    const refused = { code: "INVALID_INPUT", field: "challengeId" };
    const begun = await beginPasskeyRegistration(una.client);
    expect(await add(vera.client, begun)).toMatchObject(refused);
    expect(await add(una.client, await beginPasskeySignIn(una.client))).toMatchObject(refused);
    expect(await add(una.client, begun)).toMatchObject({ passkey: { name: "A key" } });
    expect(await add(una.client, begun)).toMatchObject(refused);
    const late = await beginPasskeyRegistration(una.client);
    app.clock.advance(5 * MINUTE);
    expect(await add(una.client, late)).toMatchObject(refused);
  });

  test("of a passkey that is there already is refused, and so is an empty or endless name", async () => {
    const { client } = await member(app, "twice");
    const authenticator = new Authenticator(app.url);
    const add = async (name: string) => {
      const { challengeId, options } = await beginPasskeyRegistration(client);
      return (await client.run(AddPasskeyDocument, { input: { challengeId, response: authenticator.create(options), name } })).addPasskey;
    };
    for (const name of ["", "  ", "x".repeat(61), "a\nb"]) expect(await add(name)).toMatchObject({ code: "INVALID_INPUT", field: "name" });
    expect(await add("x".repeat(60))).toMatchObject({ passkey: { name: "x".repeat(60) } });
    expect(await add("Again")).toMatchObject({ code: "INVALID_INPUT", field: "response" });
    expect((await beginPasskeyRegistration(client)).options).toMatchObject({ excludeCredentials: [{ id: authenticator.id.toString("base64url") }] });
  });

  test("is possible twenty times, also for many at once", async () => {
    const { client, accountId } = await member(app, "collector");
    for (let n = 1; n < MAX_PASSKEYS; n += 1) await addPasskey(client, `Key ${n}`);
    const begun = [await beginPasskeyRegistration(client), await beginPasskeyRegistration(client), await beginPasskeyRegistration(client)];
    const added = await Promise.all(
      begun.map(({ challengeId, options }) =>
        client.run(AddPasskeyDocument, { input: { challengeId, response: new Authenticator(app.url).create(options), name: "One too many" } }),
      ),
    );
    expect(added.filter(({ addPasskey }) => "passkey" in addPasskey)).toHaveLength(1);
    expect(await client.run(BeginPasskeyRegistrationDocument, {})).toMatchObject({ beginPasskeyRegistration: { code: "LIMIT_EXCEEDED", limit: MAX_PASSKEYS } });
    expect(await sql(app, "select 1 from passkeys where account_id = $1", [accountId])).toHaveLength(MAX_PASSKEYS);
  });
});

describe("a passkey's answer", () => {
  test.each<[string, Misbehaviour]>([
    ["from another page", { origin: "https://evil.example" }],
    ["from a page of the same host on another port", { origin: "http://localhost:1" }],
    ["for another host", { rpId: "evil.example" }],
    ["to another challenge", { challenge: "A".repeat(43) }],
    ["without its owner's PIN or finger", { userVerified: false }],
    ["in the name of another account", { userHandle: "AAAAAAAAAAAAAAAAAAAAAA" }],
  ])("%s signs nobody in, and what is right does", async (what, wrong) => {
    const { client } = await member(app, `sign-${what.replace(/\W/g, "-")}`);
    const { authenticator } = await addPasskey(client);
    expect(await codeOf(await passkeyAnswer(anonymous, authenticator, wrong))).toBe("INVALID_CREDENTIALS");
    expect(await codeOf(await passkeyAnswer(anonymous, authenticator))).toBeNull();
  });

  test("is good once, whether it was right or wrong, and for five minutes", async () => {
    const { client } = await member(app, "replayed");
    const { authenticator } = await addPasskey(client);
    const answer = await passkeyAnswer(anonymous, authenticator);
    const both = await Promise.all([codeOf(answer), codeOf(answer)]);
    expect(both.toSorted()).toEqual(["INVALID_INPUT", null]);

    const begun = await beginPasskeySignIn(anonymous);
    const wrong = { challengeId: begun.challengeId, response: authenticator.get(begun.options, { userVerified: false }) };
    expect(await codeOf(wrong)).toBe("INVALID_CREDENTIALS");
    expect(await codeOf({ challengeId: begun.challengeId, response: authenticator.get(begun.options) })).toBe("INVALID_INPUT");

    const late = await passkeyAnswer(anonymous, authenticator);
    app.clock.advance(5 * MINUTE);
    expect(await codeOf(late)).toBe("INVALID_INPUT");
  });

  test("to a registration's challenge signs nobody in", async () => {
    const { client } = await member(app, "mixed-up");
    const { authenticator } = await addPasskey(client);
    const { challengeId, options } = await beginPasskeyRegistration(client);
    expect(await codeOf({ challengeId, response: authenticator.get({ ...options, rpId: "localhost" }) })).toBe("INVALID_INPUT");
  });

  test("with a counter that went back is refused and recorded, as that of a copy", async () => {
    const { client, accountId } = await member(app, "copied");
    const { authenticator, passkeyId } = await addPasskey(client);
    expect(await codeOf(await passkeyAnswer(anonymous, authenticator, { counter: 7 }))).toBeNull();
    for (const counter of [7, 6, 0]) expect(await codeOf(await passkeyAnswer(anonymous, authenticator, { counter }))).toBe("INVALID_CREDENTIALS");
    expect(await codeOf(await passkeyAnswer(anonymous, authenticator, { counter: 8 }))).toBeNull();
    const suspected = (await eventsOf(app)).filter(({ action, actor_id }) => action === "factor.suspected" && actor_id === accountId);
    expect(suspected).toHaveLength(3);
    const [row] = await sql<{ id: string }>(app, "select id from passkeys where account_id = $1", [accountId]);
    expect(suspected[0]?.subject_id).toBe(row?.id);
    expect(passkeyId).not.toBe("");
  });

  test("from an authenticator that does not count is taken as often as it comes", async () => {
    const { client } = await member(app, "uncounted");
    const { authenticator } = await addPasskey(client);
    for (let n = 0; n < 3; n += 1) expect(await codeOf(await passkeyAnswer(anonymous, authenticator, { counter: 0 }))).toBeNull();
  });

  test("of an unknown, a removed and a disabled account's passkey get one and the same answer", async () => {
    const { client, accountId } = await member(app, "leaver");
    const [kept, removed] = [await addPasskey(client, "Kept"), await addPasskey(client, "Removed")];
    expect(await codeOf(await passkeyAnswer(anonymous, removed.authenticator))).toBeNull();
    const { removePasskey } = await client.run(RemovePasskeyDocument, { input: { passkeyId: removed.passkeyId } });
    expect(removePasskey).toEqual({ removedId: removed.passkeyId });
    const answers = [await signInWith(await passkeyAnswer(anonymous, removed.authenticator))];
    answers.push(await signInWith(await passkeyAnswer(anonymous, new Authenticator(app.url))));
    expect(await codeOf(await passkeyAnswer(anonymous, kept.authenticator))).toBeNull();
    await sql(app, "update accounts set disabled_at = $2 where id = $1", [accountId, app.clock.now()]);
    answers.push(await signInWith(await passkeyAnswer(anonymous, kept.authenticator)));
    expect(answers[0]).toMatchObject({ code: "INVALID_CREDENTIALS" });
    expect(answers).toEqual([answers[0], answers[0], answers[0]]);
  });

  test.each([
    ["nothing", {}],
    ["texts for objects", { id: "AA", response: "x" }],
    ["numbers for texts", { id: "AA", response: { clientDataJSON: 1, authenticatorData: 2, signature: 3 } }],
    ["no base64url", { id: "é", response: { clientDataJSON: "%%%", authenticatorData: "%%%", signature: "%%%" } }],
  ])("of %s is refused like any wrong one", async (_what, response) => {
    const { challengeId } = await beginPasskeySignIn(anonymous);
    expect(await codeOf({ challengeId, response })).toBe("INVALID_CREDENTIALS");
  });
});

test("a passkey is renamed and removed by its owner only", async () => {
  const [olga, stan] = [await member(app, "olga"), await member(app, "stan")];
  const { passkeyId } = await addPasskey(olga.client);
  const rename = async (client: Client) => (await client.run(RenamePasskeyDocument, { input: { passkeyId, name: "Mine" } })).renamePasskey;
  const remove = async (client: Client) => (await client.run(RemovePasskeyDocument, { input: { passkeyId } })).removePasskey;
  expect(await rename(stan.client)).toMatchObject({ code: "NOT_FOUND", field: "passkeyId" });
  expect(await rename(olga.client)).toMatchObject({ passkey: { name: "Mine" } });
  expect(await remove(stan.client)).toMatchObject({ code: "NOT_FOUND", field: "passkeyId" });
  expect(await remove(olga.client)).toEqual({ removedId: passkeyId });
  expect((await olga.client.run(SecondFactorsDocument, {})).secondFactors).toMatchObject({ passkeys: [], recoveryCodesLeft: 0 });
  const mails = (await changesTold(app, olga.address)).map(({ data }) => data);
  expect(mails).toHaveLength(2);
  expect(mails).toEqual(
    expect.arrayContaining([
      { change: "added", method: "PASSKEY" },
      { change: "removed", method: "PASSKEY" },
    ]),
  );
  expect(await Client.signIn(app.url, "olga", PASSWORD)).toBeInstanceOf(Client);
});

test("passkeys belong to the host of PUBLIC_URL, and only its pages may ask for them", async () => {
  const publicUrl = "https://mailbox.insurer.example";
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const there = await startTestApp({ beside: app, config: { publicUrl, port } });
  try {
    await createPerson(there, "elsewhere");
    const client = await Client.signIn(url, "elsewhere", PASSWORD);
    const authenticator = new Authenticator(publicUrl);
    const { challengeId, options } = await beginPasskeyRegistration(client);
    expect(options).toMatchObject({ rp: { id: "mailbox.insurer.example" } });
    const { addPasskey } = await client.run(AddPasskeyDocument, { input: { challengeId, response: authenticator.create(options), name: "A key" } });
    expect(addPasskey).toMatchObject({ passkey: { name: "A key" } });
    const signIn = async (wrong: Misbehaviour) => {
      const input = await passkeyAnswer(client, authenticator, wrong);
      return (await new Client(url).run(SignInWithPasskeyDocument, { input })).signInWithPasskey;
    };
    expect(await signIn({ origin: url })).toMatchObject({ code: "INVALID_CREDENTIALS" });
    expect(await signIn({})).toMatchObject({ account: { userId: "elsewhere" } });
  } finally {
    await there.close();
  }
});

test("challenges that nobody answered are swept", async () => {
  await beginPasskeySignIn(anonymous);
  const waiting = (): Promise<unknown[]> => sql(app, "select 1 from passkey_challenges");
  await sweep(app.ctx());
  expect((await waiting()).length).toBeGreaterThan(0);
  app.clock.advance(5 * MINUTE);
  await sweep(app.ctx());
  expect(await waiting()).toEqual([]);
});
