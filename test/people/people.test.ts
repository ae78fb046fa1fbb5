import {
  ChangeAccountKindDocument,
  CreateAccessTokenDocument,
  DisableAccountDocument,
  EnableAccountDocument,
  InviteEmployeeDocument,
  PeopleDocument,
  type PeopleFilter,
  type TokenScope,
  ViewerDocument,
} from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { createPerson, employee, member, PASSWORD, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { RawSocket } from "../support/raw-socket.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
let node2: TestApp;
let ada: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp();
  node2 = await startTestApp({ beside: app });
  ada = await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR);
});

afterAll(async () => {
  await node2.close();
  await app.close();
});

afterEach(() => app.clock.moveTo(START));

describe("disabling an account", () => {
  test("ends its sessions, access tokens and sockets on every node within two seconds, and only its own", async () => {
    const leaver = await employee(app, "leaver");
    const stayer = await employee(app, "stayer");
    const phone = await Client.signIn(node2.url, "leaver", PASSWORD);
    const token = await tokenOf(leaver, ["READ", "WRITE"]);
    const clients = [leaver.client, phone, new Client(app.url, token), new Client(node2.url, token)];
    for (const client of clients) expect(await isAlive(client)).toBe(true);
    const sockets = [await openSocket(app, leaver.client.token), await openSocket(node2, phone.token), await openSocket(node2, token)];
    const bystander = await openSocket(node2, stayer.client.token);

    expect(await disable(ada, leaver, "LEFT")).toMatchObject({ account: { userId: "leaver", state: "DISABLED" } });
    const disabledAt = performance.now();
    expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([4403, 4403, 4403]);
    for (const client of clients) await eventually(async () => expect(await isAlive(client)).toBe(false), 2000);
    expect(performance.now() - disabledAt).toBeLessThan(2000);
    await expect(Client.signIn(app.url, "leaver", PASSWORD)).rejects.toThrow("INVALID_CREDENTIALS");
    expect(await isAlive(stayer.client)).toBe(true);
    expect(bystander.isOpen).toBe(true);
    await bystander.close();

    expect((await ada.client.run(EnableAccountDocument, input(leaver))).enableAccount).toMatchObject({ account: { state: "ACTIVE" } });
    for (const client of clients) expect(await isAlive(client)).toBe(false);
    expect(await Client.signIn(app.url, "leaver", PASSWORD)).toBeInstanceOf(Client);
  });

  test("twice does no more than once, and stands in the ledger once with its reason", async () => {
    const person = await member(app, "twice-disabled");
    const known = (await eventsOf(app)).length;
    for (const reason of ["COMPROMISED", "MISUSE"] as const) expect(await disable(ada, person, reason)).toMatchObject({ account: { state: "DISABLED" } });
    for (let n = 0; n < 2; n += 1) await ada.client.run(EnableAccountDocument, input(person));
    expect((await eventsOf(app)).slice(known)).toEqual([
      { action: "session.ended", actor_id: ada.accountId, subject_id: expect.any(String), message_id: null, code: null },
      { action: "account.disabled", actor_id: ada.accountId, subject_id: person.accountId, message_id: null, code: "COMPROMISED" },
      { action: "account.enabled", actor_id: ada.accountId, subject_id: person.accountId, message_id: null, code: null },
    ]);
  });

  test("is refused for one's own account, for nobody's, and to everybody but administrators", async () => {
    const erin = await employee(app, "erin");
    expect(await disable(ada, ada)).toMatchObject({ code: "OWN_ACCOUNT" });
    expect(await disable(erin, ada)).toMatchObject({ code: "FORBIDDEN" });
    for (const accountId of [encodeId("Account", newId(START)), encodeId("Session", newId(START)), "nonsense"]) {
      const { disableAccount } = await ada.client.run(DisableAccountDocument, { input: { accountId, reason: null } });
      expect(disableAccount).toMatchObject({ code: "NOT_FOUND", field: "accountId" });
      expect((await ada.client.run(EnableAccountDocument, { input: { accountId } })).enableAccount).toMatchObject({ code: "NOT_FOUND", field: "accountId" });
    }
    expect(await isAlive(ada.client)).toBe(true);
  });
});

describe("the last administrator", () => {
  test("cannot be left out by two who disable each other at the same moment, again and again", async () => {
    const outcomes = new Set<string>();
    for (let n = 0; n < 5; n += 1) {
      const beth = await signedInPerson(app, `beth-${n}`, AccountKind.ADMINISTRATOR);
      const [byAda, byBeth] = await Promise.all([disable(ada, beth), disable(beth, ada)]);
      const administrators = await sql(app, "select user_id from accounts where kind = 'ADMINISTRATOR' and disabled_at is null");
      expect(administrators).toHaveLength(1);
      const codes = [byAda, byBeth].map((result) => ("code" in result ? result.code : "done"));
      expect(codes.filter((code) => code === "done")).toHaveLength(1);
      outcomes.add(codes.find((code) => code !== "done") ?? "");
      await sql(app, "update accounts set disabled_at = null where kind = 'ADMINISTRATOR'");
      await sql(app, "update accounts set kind = 'EMPLOYEE' where user_id like 'beth-%'");
      ada = { ...ada, client: await Client.signIn(app.url, "ada", PASSWORD) };
    }
    for (const code of outcomes) expect(["FORBIDDEN", "UNAUTHENTICATED", "LAST_ADMINISTRATOR"]).toContain(code);
  });

  test("stays one: neither she herself nor two at the same moment take it from all, and one who was only invited does not count", async () => {
    await ada.client.run(InviteEmployeeDocument, {
      input: { address: "invited-admin@insurer.example", displayName: "I", kind: "ADMINISTRATOR", language: null },
    });
    expect(await changeKind(ada, ada, "EMPLOYEE")).toMatchObject({ code: "LAST_ADMINISTRATOR", field: "accountId" });
    const cleo = await signedInPerson(app, "cleo", AccountKind.ADMINISTRATOR);
    const answers = await Promise.all([changeKind(ada, ada, "EMPLOYEE"), changeKind(cleo, cleo, "EMPLOYEE")]);
    expect(answers.filter((answer) => "account" in answer)).toHaveLength(1);
    expect(await sql(app, "select user_id from accounts where kind = 'ADMINISTRATOR' and password_hash is not null and disabled_at is null")).toHaveLength(1);
    await sql(app, "update accounts set kind = case user_id when 'ada' then 'ADMINISTRATOR' else 'EMPLOYEE' end where user_id in ('ada', 'cleo')");
    ada = { ...ada, client: await Client.signIn(app.url, "ada", PASSWORD) };
  });
});

describe("changing what somebody is", () => {
  test("gives the role at the next sign-in, and taking it ends sessions and tokens that stood on it", async () => {
    const otto = await employee(app, "otto");
    expect(await codeOfPeople(otto.client)).toBe("FORBIDDEN");
    expect(await changeKind(ada, otto, "ADMINISTRATOR")).toMatchObject({ account: { kind: "ADMINISTRATOR" } });
    await eventually(async () => expect(await isAlive(otto.client)).toBe(false), 2000);
    const asAdministrator = { ...otto, client: await Client.signIn(app.url, "otto", PASSWORD) };
    expect(await codeOfPeople(asAdministrator.client)).toBeUndefined();
    const adminToken = new Client(node2.url, await tokenOf(asAdministrator, ["READ", "ADMIN"]));
    const readToken = new Client(node2.url, await tokenOf(asAdministrator, ["READ"]));
    expect(await codeOfPeople(adminToken)).toBeUndefined();
    const socket = await openSocket(node2, readToken.token);

    expect(await changeKind(ada, otto, "EMPLOYEE")).toMatchObject({ account: { kind: "EMPLOYEE" } });
    expect(await socket.closed).toBe(4403);
    for (const client of [asAdministrator.client, adminToken]) await eventually(async () => expect(await isAlive(client)).toBe(false), 2000);
    expect(await isAlive(readToken)).toBe(true);
    await changeKind(ada, otto, "ADMINISTRATOR");
    expect(await isAlive(adminToken)).toBe(false);
    await changeKind(ada, otto, "EMPLOYEE");
  });

  test("to what they are changes nothing, not even their sessions", async () => {
    const same = await employee(app, "same");
    const known = (await eventsOf(app)).length;
    expect(await changeKind(ada, same, "EMPLOYEE")).toMatchObject({ account: { kind: "EMPLOYEE" } });
    expect(await isAlive(same.client)).toBe(true);
    expect(await eventsOf(app)).toHaveLength(known);
  });

  test("makes no employee of anybody outside our domains, and no external person of one inside", async () => {
    const outside = await member(app, "outside");
    const inside = await employee(app, "inside");
    for (const kind of ["EMPLOYEE", "ADMINISTRATOR"] as const)
      expect(await changeKind(ada, outside, kind)).toMatchObject({ code: "INVALID_INPUT", field: "kind" });
    for (const kind of ["MEMBER", "BROKER"] as const) expect(await changeKind(ada, inside, kind)).toMatchObject({ code: "INVALID_INPUT", field: "kind" });
    expect(await changeKind(ada, outside, "BROKER")).toMatchObject({ account: { kind: "BROKER" } });
    expect(await changeKind(inside, outside, "MEMBER")).toMatchObject({ code: "FORBIDDEN" });
  });
});

describe("the list of people", () => {
  let other: TestApp;
  let admin: SignedInPerson;

  beforeAll(async () => {
    other = await startTestApp();
    admin = await signedInPerson(other, "zoe", AccountKind.ADMINISTRATOR);
    for (const userId of ["anna", "anton", "50%_off", "5000", "ben"]) await createPerson(other, userId, AccountKind.EMPLOYEE);
    for (const userId of ["anna.member", "insurer"]) await createPerson(other, userId);
    await sql(other, "update accounts set disabled_at = $1 where user_id = 'ben'", [START]);
    await admin.client.run(InviteEmployeeDocument, { input: { address: "carl@insurer.example", displayName: "Carl", kind: "EMPLOYEE", language: "ES" } });
    // Somebody whose user ID begins as others' addresses do.
    await sql(other, "update accounts set user_id = 'carla' where user_id = 'anton'");
  });

  afterAll(() => other.close());

  test("comes in the order of addresses, page by page, without a gap", async () => {
    const whole = (await page({})).addresses;
    expect(whole).toEqual(whole.toSorted((a, b) => (a < b ? -1 : 1)));
    expect(whole).toHaveLength(9);
    const paged: string[] = [];
    for (let after: string | null = null; ;) {
      const { addresses, pageInfo } = await page({}, 2, after);
      paged.push(...addresses);
      if (!pageInfo.hasNextPage) break;
      after = pageInfo.endCursor;
    }
    expect(paged).toEqual(whole);
  });

  test("finds by the beginning of an address, then of a user ID, and takes no pattern", async () => {
    expect((await page({ query: "AN" })).addresses).toEqual(["anna.member@mail.example", "anna@insurer.example", "anton@insurer.example"]);
    expect((await page({ query: "carl" })).addresses).toEqual(["carl@insurer.example", "anton@insurer.example"]);
    const first = await page({ query: "carl" }, 1);
    expect(first).toMatchObject({ addresses: ["carl@insurer.example"], pageInfo: { hasNextPage: true } });
    expect(await page({ query: "carl" }, 1, first.pageInfo.endCursor)).toMatchObject({
      addresses: ["anton@insurer.example"],
      pageInfo: { hasNextPage: false },
    });
    expect((await page({ query: "50%_" })).addresses).toEqual(["50%_off@insurer.example"]);
    for (const query of ["%", "_", "*", "an%", "'", "\\", "nobody"]) expect((await page({ query })).addresses).toEqual([]);
  });

  test("filters by kind and state, each with all the others", async () => {
    expect((await page({ kind: "MEMBER" })).addresses).toEqual(["anna.member@mail.example", "insurer@mail.example"]);
    expect((await page({ state: "DISABLED" })).addresses).toEqual(["ben@insurer.example"]);
    expect((await page({ state: "INVITED" })).addresses).toEqual(["carl@insurer.example"]);
    expect((await page({ state: "ACTIVE", kind: "EMPLOYEE", query: "an" })).addresses).toEqual(["anna@insurer.example", "anton@insurer.example"]);
    expect((await page({ state: "ACTIVE" })).addresses).not.toContain("ben@insurer.example");
  });

  test("shows what each is, and that it was looked at is in the ledger", async () => {
    const known = (await eventsOf(other)).length;
    const { people } = await admin.client.run(PeopleDocument, { filter: { query: "zoe", kind: null, state: null }, first: null, after: null });
    expect(people?.edges.map(({ node }) => node)).toEqual([
      {
        id: encodeId("Account", admin.accountId),
        userId: "zoe",
        displayName: "Test zoe",
        address: "zoe@insurer.example",
        kind: "ADMINISTRATOR",
        language: "EN",
        state: "ACTIVE",
        invitedUntil: null,
        lastSignedInAt: START.toISOString(),
      },
    ]);
    expect((await eventsOf(other)).slice(known)).toEqual([
      { action: "people.viewed", actor_id: admin.accountId, subject_id: null, message_id: null, code: null },
    ]);
  });

  test("refuses a page or a search that is too large, and a cursor of another list", async () => {
    const refused = async (variables: object): Promise<unknown> =>
      (
        await admin.client.refusals(
          "query ($f: PeopleFilter, $n: Int, $c: String) { people(filter: $f, first: $n, after: $c) { edges { cursor } } }",
          variables,
        )
      )[0];
    expect(await refused({ n: 100 })).toBeUndefined();
    expect(await refused({ n: 101 })).toBe("LIMIT_EXCEEDED");
    expect(await refused({ f: { query: "x".repeat(255) } })).toBe("INVALID_INPUT");
    for (const cursor of [
      "x",
      Buffer.from("audit x").toString("base64url"),
      Buffer.from("people other x").toString("base64url"),
      Buffer.from("people address %").toString("base64url"),
    ])
      expect(await refused({ c: cursor })).toBe("INVALID_INPUT");
  });

  async function page(filter: Partial<PeopleFilter>, first: number | null = null, after: string | null = null) {
    const { people } = await admin.client.run(PeopleDocument, { filter: { query: null, kind: null, state: null, ...filter }, first, after });
    if (people === null) throw new Error("There is no list of people");
    return { addresses: people.edges.map(({ node }) => node.address), pageInfo: people.pageInfo };
  }
});

type Reason = "LEFT" | "COMPROMISED" | "MISUSE";

async function disable(by: SignedInPerson, { accountId }: { accountId: string }, reason: Reason | null = null) {
  const { data, errors } = await by.client.send<{ disableAccount: { code: string } | { account: object } }>(
    "mutation ($input: DisableAccountInput!) { disableAccount(input: $input) { ... on DisableAccountPayload { account { userId state } } ... on Problem { code field } } }",
    { input: { accountId: encodeId("Account", accountId), reason } },
  );
  return data?.disableAccount ?? { code: String(errors?.[0]?.extensions?.code) };
}

async function changeKind(by: SignedInPerson, { accountId }: { accountId: string }, kind: "EMPLOYEE" | "ADMINISTRATOR" | "MEMBER" | "BROKER") {
  return (await by.client.run(ChangeAccountKindDocument, { input: { accountId: encodeId("Account", accountId), kind } })).changeAccountKind;
}

function input({ accountId }: { accountId: string }): { input: { accountId: string } } {
  return { input: { accountId: encodeId("Account", accountId) } };
}

async function tokenOf({ client }: { client: Client }, scopes: TokenScope[]): Promise<string> {
  const { createAccessToken } = await client.run(CreateAccessTokenDocument, { input: { name: "Script", scopes, expiresInDays: 7 } });
  if (!("token" in createAccessToken)) throw new Error(`The token was refused: ${createAccessToken.code}`);
  return createAccessToken.token;
}

async function isAlive(client: Client): Promise<boolean> {
  return (await client.run(ViewerDocument, {})).viewer !== null;
}

async function codeOfPeople(client: Client): Promise<unknown> {
  return (await client.refusals("{ people { edges { cursor } } }"))[0];
}

async function openSocket({ url }: TestApp, token: string | null): Promise<RawSocket> {
  const socket = await RawSocket.open(url);
  await socket.say({ type: "connection_init", payload: { authorization: `Bearer ${token ?? ""}` } });
  await eventually(() => expect(socket.heard).toEqual([{ type: "connection_ack" }]));
  return socket;
}
