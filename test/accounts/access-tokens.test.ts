import {
  AccessTokensDocument,
  CreateAccessTokenDocument,
  type CreateAccessTokenInput,
  FolderDocument,
  MailboxChangedDocument,
  NodeDocument,
  RevokeAccessTokenDocument,
  SessionsDocument,
  ViewerDocument,
} from "../../operations/generated/operations.ts";
import { isAccessToken, newAccessToken, MAX_ACCESS_TOKEN_DAYS, MAX_ACCESS_TOKENS } from "../../src/accounts/access-token-policy.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { DAY, MINUTE, SECOND } from "../../src/clock.ts";
import { encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { createSchema } from "../../src/schema.ts";
import { openToTokens } from "../../src/server/token-scopes.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { deliver } from "../support/mail.ts";
import { employee, member, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { RawSocket } from "../support/raw-socket.ts";
import { callsOfSchema, type SchemaCall } from "../support/schema-calls.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
let node2: TestApp;
let ada: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 43_200, hours: 8_760 } } });
  node2 = await startTestApp({ beside: app, config: { session: app.services.config.session } });
  ada = await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR);
  maria = await member(app, "maria");
});

afterAll(async () => {
  await node2.close();
  await app.close();
});

afterEach(() => app.clock.moveTo(START));

describe("an access token", () => {
  test("is shown once, in a form that scanners recognise, and the database keeps a hash and a sealed name", async () => {
    const { token, accessToken } = await tokenOf(maria, { name: " Nightly sync ", scopes: ["WRITE", "READ", "READ"], expiresInDays: 30 });
    expect(token).toMatch(/^smb_[\w-]{43}[0-9A-Za-z]{6}$/);
    expect(isAccessToken(token)).toBe(true);
    const expected = {
      id: expect.any(String),
      name: "Nightly sync",
      scopes: ["READ", "WRITE"],
      createdAt: START.toISOString(),
      expiresAt: new Date(START.getTime() + 30 * DAY).toISOString(),
      lastUsedAt: null,
    };
    expect(accessToken).toEqual(expected);
    expect((await maria.client.run(AccessTokensDocument, {})).accessTokens).toEqual([expected]);
    expect(await maria.client.run(NodeDocument, { id: accessToken.id })).toEqual({ node: { __typename: "AccessToken", id: accessToken.id } });

    const [kept] = await sql<{ text: string }>(app, "select json_agg(t)::text as text from access_tokens t");
    for (const secret of [
      token,
      token.slice(4),
      token.slice(4, 47),
      "Nightly sync",
      Buffer.from("Nightly sync").toString("hex"),
      Buffer.from(token).toString("hex"),
    ])
      expect(kept?.text).not.toContain(secret);
    expect(app.logged.join("")).not.toContain(token);
  });

  test("with one wrong character is not even looked up", () => {
    const token = newAccessToken();
    expect(isAccessToken(token)).toBe(true);
    for (let n = 0; n < token.length; n += 1) {
      const other = token[n] === "x" ? "y" : "x";
      expect(isAccessToken(token.slice(0, n) + other + token.slice(n + 1))).toBe(false);
      expect(isAccessToken(token.slice(0, n) + token.slice(n + 1))).toBe(false);
    }
    for (const text of ["", "smb_", `${token}x`, ` ${token}`, `${token}\n`]) expect(isAccessToken(text)).toBe(false);
  });

  test("stands in for a session over HTTP, on a socket and for downloads, and has none itself", async () => {
    const { id } = await deliver(ada, maria);
    const attachment = await maria.client.uploaded("a.txt", "A file.");
    const script = await clientOf(maria, ["READ"]);
    expect((await script.run(ViewerDocument, {})).viewer?.account.userId).toBe("maria");
    const folder = await script.run(FolderDocument, { mailboxId: maria.mailboxId, folder: "INBOX", first: 10, after: null });
    expect(folder.mailbox?.messages.edges.map(({ node }) => node.id)).toContain(id);
    expect(await (await script.download(`/attachments/${attachment}`)).text()).toBe("A file.");
    expect((await script.run(SessionsDocument, {})).sessions.map(({ isCurrent }) => isCurrent)).not.toContain(true);

    const feed = script.subscribe(MailboxChangedDocument, { mailboxId: maria.mailboxId, after: null });
    const event = feed.next();
    await eventually(async () => {
      await deliver(ada, maria);
      expect(await Promise.race([event, Promise.resolve(null)])).not.toBeNull();
    });
    await feed.close();
  });

  test("is taken from the Authorization header only: neither from a cookie nor from an address", async () => {
    const { token } = await tokenOf(maria, { scopes: ["READ"] });
    const asked = async (headers: Record<string, string>, query = ""): Promise<unknown> => {
      const body = JSON.stringify({ query: "{ viewer { account { userId } } }" });
      const response = await fetch(`${app.url}/graphql${query}`, { method: "POST", headers: { "content-type": "application/json", ...headers }, body });
      return response.json();
    };
    expect(await asked({ authorization: `Bearer ${token}` })).toMatchObject({ data: { viewer: { account: { userId: "maria" } } } });
    for (const answer of [
      await asked({ cookie: `session=${token}` }),
      await asked({}, `?access_token=${token}`),
      await asked({ authorization: `Basic ${token}` }),
    ])
      expect(answer).toMatchObject({ data: { viewer: null } });
  });

  test("says to the minute when it was last used, and is written no more often", async () => {
    const { token, accessToken } = await tokenOf(maria, { scopes: ["READ"] });
    const script = new Client(app.url, token);
    const lastUsedAt = async (): Promise<unknown> => {
      const { accessTokens } = await maria.client.run(AccessTokensDocument, {});
      return accessTokens.find(({ id }) => id === accessToken.id)?.lastUsedAt;
    };
    expect(await lastUsedAt()).toBeNull();
    await script.run(ViewerDocument, {});
    expect(await lastUsedAt()).toBe(START.toISOString());
    app.clock.advance(MINUTE);
    await script.run(ViewerDocument, {});
    expect(await lastUsedAt()).toBe(START.toISOString());
    app.clock.advance(SECOND);
    await script.run(ViewerDocument, {});
    expect(await lastUsedAt()).toBe(new Date(START.getTime() + MINUTE + SECOND).toISOString());
  });

  test("is made only by somebody who has proved lately who they are, and then needs no more proof", async () => {
    const input: CreateAccessTokenInput = { name: "Script", scopes: ["READ", "WRITE"], expiresInDays: 7 };
    const { token } = await tokenOf(maria, input);
    app.clock.advance(app.services.config.stepUpMinutes * MINUTE);
    expect(await maria.client.run(CreateAccessTokenDocument, { input })).toMatchObject({ createAccessToken: { code: "STEP_UP_REQUIRED" } });
    const { id } = await deliver(ada, maria);
    const exportBy = (client: Client): Promise<unknown> =>
      client.send("mutation ($id: ID!) { exportMessages(input: { messageIds: [$id] }) { __typename ... on Problem { code } } }", { id });
    expect(await exportBy(maria.client)).toMatchObject({ data: { exportMessages: { code: "STEP_UP_REQUIRED" } } });
    expect(await exportBy(new Client(app.url, token))).toMatchObject({ data: { exportMessages: { __typename: "ExportMessagesPayload" } } });
  });

  test("ends at its hour, and is then neither listed nor taken", async () => {
    const { token, accessToken } = await tokenOf(maria, { scopes: ["READ"], expiresInDays: 1 });
    app.clock.advance(DAY - 1);
    expect(await userIdOf(new Client(app.url, token))).toBe("maria");
    app.clock.advance(1);
    expect(await userIdOf(new Client(app.url, token))).toBeNull();
    const fresh = await Client.signIn(app.url, "maria", "correct horse battery");
    expect((await fresh.run(AccessTokensDocument, {})).accessTokens.map(({ id }) => id)).not.toContain(accessToken.id);
  });

  const refusals: [string, Partial<CreateAccessTokenInput>, object][] = [
    ["without a name", { name: "  " }, { code: "INVALID_INPUT", field: "name" }],
    ["with a name of two lines", { name: "a\nb" }, { code: "INVALID_INPUT", field: "name" }],
    ["with a name that is too long", { name: "x".repeat(101) }, { code: "LIMIT_EXCEEDED", field: "name", limit: 100 }],
    ["for nothing", { scopes: [] }, { code: "INVALID_INPUT", field: "scopes" }],
    ["for no time", { expiresInDays: 0 }, { code: "INVALID_INPUT", field: "expiresInDays" }],
    ["for more than a year", { expiresInDays: 366 }, { code: "LIMIT_EXCEEDED", field: "expiresInDays", limit: MAX_ACCESS_TOKEN_DAYS }],
    ["for administration, to a member", { scopes: ["READ", "ADMIN"] }, { code: "FORBIDDEN", field: "scopes" }],
  ];

  test.each(refusals)("is refused %s", async (_what, change, problem) => {
    const input: CreateAccessTokenInput = { name: "Script", scopes: ["READ"], expiresInDays: 1, ...change };
    expect(await maria.client.run(CreateAccessTokenDocument, { input })).toMatchObject({ createAccessToken: problem });
  });

  test("is the last of fifty, however many ask at once", async () => {
    const hoarder = await member(app, "hoarder");
    const input = { name: "Script", scopes: ["READ" as const], expiresInDays: 1 };
    const answers = await Promise.all(Array.from({ length: MAX_ACCESS_TOKENS + 5 }, () => hoarder.client.run(CreateAccessTokenDocument, { input })));
    const refused = answers.filter(({ createAccessToken }) => "code" in createAccessToken);
    expect(refused).toHaveLength(5);
    expect(refused[0]).toMatchObject({ createAccessToken: { code: "LIMIT_EXCEEDED", limit: MAX_ACCESS_TOKENS } });
    const { accessTokens } = await hoarder.client.run(AccessTokensDocument, {});
    expect(accessTokens).toHaveLength(MAX_ACCESS_TOKENS);
    await hoarder.client.run(RevokeAccessTokenDocument, { input: { accessTokenId: accessTokens[0]?.id ?? "" } });
    expect(await hoarder.client.run(CreateAccessTokenDocument, { input })).toMatchObject({ createAccessToken: { token: expect.any(String) } });
  });
});

describe("revoking", () => {
  test("kills a token and closes its sockets on every node within two seconds, and touches nothing else", async () => {
    const { token, accessToken } = await tokenOf(maria, { scopes: ["READ"] });
    const other = await clientOf(maria, ["READ"]);
    const [here, there] = [new Client(app.url, token), new Client(node2.url, token)];
    expect([await userIdOf(here), await userIdOf(there)]).toEqual(["maria", "maria"]);
    const sockets = [await openSocket(app, token), await openSocket(node2, token)];
    const bystander = await openSocket(node2, other.token ?? "");

    expect(await maria.client.run(RevokeAccessTokenDocument, { input: { accessTokenId: accessToken.id } })).toEqual({
      revokeAccessToken: { revokedAt: START.toISOString() },
    });
    const revokedAt = performance.now();
    expect(await userIdOf(here)).toBeNull();
    await eventually(async () => expect(await userIdOf(there)).toBeNull(), 2000);
    expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([4403, 4403]);
    expect(performance.now() - revokedAt).toBeLessThan(2000);
    expect(await userIdOf(other)).toBe("maria");
    expect(await userIdOf(maria.client)).toBe("maria");
    await bystander.close();
  });

  test("is noticed within two seconds although no signal came", async () => {
    const { token, accessToken } = await tokenOf(maria, { scopes: ["READ"], expiresInDays: 77 });
    const client = new Client(node2.url, token);
    expect(await userIdOf(client)).toBe("maria");
    const socket = await openSocket(node2, token);
    await sql(app, "update access_tokens set revoked_at = $1 where expires_at = $2", [START, accessToken.expiresAt]);
    await eventually(async () => expect(await userIdOf(client)).toBeNull(), 2000);
    expect(await socket.closed).toBe(4403);
  });

  test("is for its owner only: somebody else's token is like one that never was", async () => {
    const { accessToken, token } = await tokenOf(maria, { scopes: ["READ"] });
    const stranger = await employee(app, "token-stranger");
    const foreign = await stranger.client.run(RevokeAccessTokenDocument, { input: { accessTokenId: accessToken.id } });
    expect(foreign).toMatchObject({ revokeAccessToken: { code: "NOT_FOUND", field: "accessTokenId" } });
    for (const id of [encodeId("AccessToken", newId(START)), encodeId("Session", newId(START)), "nonsense"])
      expect(await stranger.client.run(RevokeAccessTokenDocument, { input: { accessTokenId: id } })).toEqual(foreign);
    expect(await userIdOf(new Client(app.url, token))).toBe("maria");
    await maria.client.run(RevokeAccessTokenDocument, { input: { accessTokenId: accessToken.id } });
    expect(await maria.client.run(RevokeAccessTokenDocument, { input: { accessTokenId: accessToken.id } })).toEqual(foreign);
  });

  test("and making stand in the ledger with the scopes, without the name", async () => {
    const known = (await eventsOf(app)).length;
    const { accessToken } = await tokenOf(maria, { name: "A secret name", scopes: ["READ", "WRITE"] });
    await maria.client.run(RevokeAccessTokenDocument, { input: { accessTokenId: accessToken.id } });
    const events = (await eventsOf(app)).slice(known);
    expect(events).toEqual([
      { action: "access-token.created", actor_id: maria.accountId, subject_id: expect.any(String), message_id: null, code: "READ WRITE" },
      { action: "access-token.revoked", actor_id: maria.accountId, subject_id: events[0]?.subject_id, message_id: null, code: null },
    ]);
  });

  test("leaves a row that the sweep removes a month after its end", async () => {
    const { accessToken } = await tokenOf(maria, { scopes: ["READ"], expiresInDays: 1 });
    const count = async (): Promise<number> => (await sql(app, "select from access_tokens where expires_at = $1", [accessToken.expiresAt])).length;
    const { sweep } = await import("../../src/retention/sweep.ts");
    app.clock.advance(31 * DAY - 1);
    await sweep(app.ctx());
    expect(await count()).toBeGreaterThan(0);
    app.clock.advance(1);
    await sweep(app.ctx());
    expect(await count()).toBe(0);
  });
});

describe("over the whole schema", () => {
  const calls = callsOfSchema(createSchema());
  const subscriptions = calls.filter(({ operation }) => operation === "subscription");
  const mutations = calls.filter(({ operation }) => operation === "mutation");
  const queries = calls.filter(({ operation }) => operation === "query");
  /** Mutations that only a session may run; a new one that is in neither list is denied to tokens, and asked for here. */
  const forSessions = [
    "acceptInvitation",
    "addPasskey",
    "attachAddress",
    "beginPasskeyRegistration",
    "beginPasskeySignIn",
    "beginTotpSetup",
    "changePassword",
    "closeAccount",
    "confirmAddressChange",
    "confirmIdentity",
    "confirmTotp",
    "createAccessToken",
    "enrol",
    "regenerateRecoveryCodes",
    "removePasskey",
    "removeTotp",
    "renamePasskey",
    "reportSuspectedNotice",
    "requestAddressChange",
    "requestPasswordReset",
    "requestSignInCode",
    "requestValidation",
    "resetPassword",
    "revokeAccessToken",
    "revokeDevice",
    "revokeOtherSessions",
    "revokeSession",
    "signIn",
    "signInWithCode",
    "signInWithPasskey",
    "signOut",
    "updateAccount",
    "updateNotificationPreferences",
    "validateAddress",
  ];

  let read: Client;
  let write: Client;
  let readWrite: Client;

  beforeAll(async () => {
    [read, write, readWrite] = [await clientOf(ada, ["READ"]), await clientOf(ada, ["WRITE"]), await clientOf(ada, ["READ", "WRITE"])];
  });

  test("each mutation is either open to tokens or for sessions only", () => {
    expect([...openToTokens, ...forSessions].toSorted()).toEqual(mutations.map(({ name }) => name).toSorted());
  });

  test.each(queries)("READ reaches the query $name, and WRITE does not", async (call) => {
    expect(await answerOf(read, call)).not.toContain("lacks the scope");
    expect(await answerOf(write, call)).toContain("This access token lacks the scope READ.");
  });

  test.each(subscriptions)("READ reaches the subscription $name, and WRITE does not", async (call) => {
    expect(await answerOf(read, call)).toContain("NOT_FOUND");
    expect(await answerOf(write, call)).toContain("This access token lacks the scope READ.");
  });

  test.each(mutations)("READ does not reach the mutation $name, and WRITE only if it is open to tokens", async (call) => {
    const { name } = call;
    const refused = JSON.stringify({ data: { [name]: { __typename: "Problem", code: "FORBIDDEN", problem: "This access token lacks the scope WRITE." } } });
    expect(await answerOf(read, call)).toContain(refused.slice(0, -1));
    const answer = await answerOf(write, call);
    expect(answer).not.toContain("lacks the scope WRITE");
    if (forSessions.includes(name)) expect(answer).toContain("This cannot be done with an access token. Sign in for it.");
    else expect(answer).not.toContain("cannot be done with an access token");
  });

  test("an administrator's token without ADMIN is no administrator's, and with it is", async () => {
    const admin = await clientOf(ada, ["READ", "ADMIN"]);
    const needing = calls.filter(({ name }) => ["people", "teams", "auditEvents", "auditSeals"].includes(name));
    expect(needing).toHaveLength(4);
    for (const call of needing) {
      expect(await answerOf(readWrite, call)).toContain("with an access token that has the scope ADMIN");
      expect(await answerOf(admin, call)).not.toContain("errors");
    }
    expect((await readWrite.download("/audit/events")).status).toBe(403);
    expect((await admin.download("/audit/events")).status).toBe(200);
    const invite = calls.find(({ name }) => name === "inviteEmployee");
    if (invite === undefined) throw new Error("Nobody can be invited");
    expect(await answerOf(admin, invite)).toContain("lacks the scope WRITE");
    expect(await answerOf(readWrite, invite)).toContain("with an access token that has the scope ADMIN");
    expect(await answerOf(await clientOf(ada, ["WRITE", "ADMIN"]), invite)).toContain("INVALID_ADDRESS");
  });

  test("READ is needed for downloads", async () => {
    const attachment = await ada.client.uploaded("a.txt", "A file.");
    expect((await read.download(`/attachments/${attachment}`)).status).toBe(200);
    const refused = await write.download(`/attachments/${attachment}`);
    expect({ status: refused.status, body: await refused.json() }).toMatchObject({ status: 403, body: { errors: [{ extensions: { code: "FORBIDDEN" } }] } });
    expect((await write.download("/audit/events")).status).toBe(403);
  });

  test("what WRITE does is its owner's doing", async () => {
    const { data } = await write.send<{ uploadAttachment: unknown }>("mutation { signOut { ... on Problem { code } } }");
    expect(data).toEqual({ signOut: { code: "FORBIDDEN" } });
    expect(await write.upload("b.txt", "Another file.")).toMatchObject({ attachment: { id: expect.any(String) } });
    const [refusal] = (await eventsOf(app)).slice(-1);
    expect(refusal).toMatchObject({ action: "request.refused", actor_id: ada.accountId, code: "FORBIDDEN" });
  });
});

async function tokenOf({ client }: SignedInPerson, wanted: Partial<CreateAccessTokenInput>) {
  const { createAccessToken } = await client.run(CreateAccessTokenDocument, { input: { name: "Script", scopes: ["READ"], expiresInDays: 7, ...wanted } });
  if (!("token" in createAccessToken)) throw new Error(`The token was refused: ${JSON.stringify(createAccessToken)}`);
  return createAccessToken;
}

async function clientOf(person: SignedInPerson, scopes: CreateAccessTokenInput["scopes"]): Promise<Client> {
  return new Client(app.url, (await tokenOf(person, { scopes })).token);
}

async function userIdOf(client: Client): Promise<string | null> {
  return (await client.run(ViewerDocument, {})).viewer?.account.userId ?? null;
}

async function openSocket({ url }: TestApp, token: string): Promise<RawSocket> {
  const socket = await RawSocket.open(url);
  await socket.say({ type: "connection_init", payload: { authorization: `Bearer ${token}` } });
  await eventually(() => expect(socket.heard).toEqual([{ type: "connection_ack" }]));
  return socket;
}

/** What a call answers, as text: over a socket for a subscription. */
async function answerOf(client: Client, { operation, document, variables }: SchemaCall): Promise<string> {
  if (operation === "subscription") {
    const socket = await openSocket(app, client.token ?? "");
    await socket.say({ type: "subscribe", id: "1", payload: { query: document, variables } });
    await eventually(() => expect(socket.about("1")).not.toEqual([]));
    await socket.close();
    return JSON.stringify(socket.about("1"));
  }
  if (!Object.values(variables).some((value) => value instanceof Blob))
    return JSON.stringify(await client.send(document, variables)).replace('"status":200,', "");
  const form = new FormData();
  form.set("operations", JSON.stringify({ query: document, variables: { file: null } }));
  form.set("map", JSON.stringify({ 0: ["variables.file"] }));
  form.set("0", new Blob(["A file."]), "file.txt");
  const headers = { authorization: `Bearer ${client.token ?? ""}`, "apollo-require-preflight": "1" };
  return (await fetch(`${app.url}/graphql`, { method: "POST", headers, body: form })).text();
}
