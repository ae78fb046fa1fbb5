import { createHash, randomUUID } from "node:crypto";
import {
  getNamedType,
  getNullableType,
  type GraphQLField,
  GraphQLID,
  type GraphQLInputType,
  type GraphQLNamedType,
  isAbstractType,
  isCompositeType,
  isInputObjectType,
  isListType,
  isObjectType,
  isRequiredArgument,
  isUnionType,
} from "graphql";
import { CloseCode } from "graphql-ws";
import {
  CreateAccessTokenDocument,
  DevicesDocument,
  SaveDraftDocument,
  SecondFactorsDocument,
  SessionsDocument,
} from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { Language } from "../../src/mailer/language.ts";
import { addEmployees } from "../../src/people/add-employees.ts";
import { encodeCursor } from "../../src/graphql/connection.ts";
import { decodeAnyId, encodeId, type NodeKind } from "../../src/graphql/node-id.ts";
import { inTransaction } from "../../src/context.ts";
import { createSchema } from "../../src/schema.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import type { Authenticator } from "../support/authenticator.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { addPasskey, signInByPasskey } from "../support/factors.ts";
import { requestExport } from "../support/exports.ts";
import { deliver, openMessage, sendMessage } from "../support/mail.ts";
import { placeHold } from "../support/holds.ts";
import { employee, PASSWORD, signedInPerson, type SignedInPerson } from "../support/people.ts";

/** One thing of each kind that somebody can name by its id. */
type Belongings = Record<NodeKind, string>;
type Variables = Record<string, unknown>;

/** How each root field is called by somebody with these belongings; every id that it takes is given, or the one in a certain place. */
const callsOf: Record<string, (own: Belongings, person: SignedInPerson, place: readonly string[]) => Variables> = {
  "Query.viewer": () => ({}),
  "Query.sessions": () => ({}),
  "Query.devices": () => ({}),
  "Query.signInMethods": () => ({}),
  "Query.limits": () => ({}),
  "Query.clock": () => ({}),
  "Query.node": ({ Message }) => ({ id: Message }),
  "Query.nodes": ({ Mailbox, ...others }) => ({ ids: [Mailbox, ...Object.values(others)] }),
  "Query.mailbox": ({ Mailbox }) => ({ id: Mailbox }),
  "Query.message": ({ Message }) => ({ id: Message }),
  "Query.thread": ({ Thread }) => ({ id: Thread }),
  "Query.draft": ({ Draft }) => ({ id: Draft }),
  "Query.export": ({ Export }) => ({ id: Export }),
  "Query.holds": () => ({ state: null }),
  "Mutation.requestSignInCode": (_own, { userId }) => ({ input: { userId } }),
  "Mutation.signInWithCode": (_own, { userId }) => ({ input: { userId, code: "12345678" } }),
  "Mutation.requestValidation": () => ({ input: { noticeToken: "A".repeat(22) } }),
  "Mutation.validateAddress": () => ({ input: { token: "A".repeat(22) } }),
  "Mutation.enrol": () => ({ input: { enrolmentToken: "A".repeat(22), userId: "x", password: "x", displayName: "x", language: "EN" } }),
  "Mutation.attachAddress": () => ({ input: { enrolmentToken: "A".repeat(22) } }),
  "Mutation.changePassword": () => ({ input: { currentPassword: PASSWORD, newPassword: PASSWORD } }),
  "Mutation.requestPasswordReset": (_own, { userId }) => ({ input: { userIdOrAddress: userId } }),
  "Mutation.resetPassword": () => ({ input: { token: "A".repeat(22), newPassword: PASSWORD } }),
  "Mutation.updateAccount": () => ({ input: { language: "EN" } }),
  "Mutation.requestAddressChange": () => ({ input: { address: "new@mail.example", password: PASSWORD } }),
  "Mutation.confirmAddressChange": () => ({ input: { token: "A".repeat(22) } }),
  "Mutation.closeAccount": () => ({ input: { password: PASSWORD } }),
  "Query.secondFactors": () => ({}),
  "Mutation.signIn": () => ({ input: { userId: "carl", password: PASSWORD } }),
  "Mutation.beginPasskeySignIn": () => ({}),
  "Mutation.signInWithPasskey": () => ({ input: answering() }),
  "Mutation.beginPasskeyRegistration": () => ({}),
  "Mutation.addPasskey": () => ({ input: { ...answering(), name: "A passkey" } }),
  "Mutation.renamePasskey": ({ Passkey }) => ({ input: { passkeyId: Passkey, name: "Another name" } }),
  "Mutation.removePasskey": ({ Passkey }) => ({ input: { passkeyId: Passkey } }),
  "Mutation.beginTotpSetup": () => ({}),
  "Mutation.confirmTotp": () => ({ input: { code: "000000" } }),
  "Mutation.removeTotp": () => ({}),
  "Mutation.regenerateRecoveryCodes": () => ({}),
  "Mutation.confirmIdentity": () => ({ input: { passkey: answering() } }),
  "Mutation.signOut": () => ({}),
  "Mutation.revokeOtherSessions": () => ({}),
  "Mutation.revokeDevice": ({ Device }) => ({ input: { deviceId: Device } }),
  "Mutation.revokeSession": ({ Session }) => ({ input: { sessionId: Session } }),
  "Mutation.uploadAttachment": () => ({ file: new Blob(["A file."]) }),
  "Mutation.saveDraft": ({ Draft, Mailbox, Attachment, Message }) => ({
    input: { draftId: Draft, mailboxId: Mailbox, attachmentIds: [Attachment], replyTo: Message, forwardOf: Message },
  }),
  "Mutation.discardDraft": ({ Draft }) => ({ input: { draftId: Draft } }),
  "Mutation.sendMessage": ({ Mailbox, Attachment, Draft }) => ({
    input: { ...sending(), mailboxId: Mailbox, to: ["carl@insurer.example"], attachmentIds: [Attachment], draftId: Draft },
  }),
  "Mutation.replyToMessage": ({ Message, Attachment, Draft }) => ({ input: { ...sending(), messageId: Message, attachmentIds: [Attachment], draftId: Draft } }),
  "Mutation.forwardMessage": ({ Message, Attachment, Draft }) => ({
    input: { ...sending(), messageId: Message, to: ["carl@insurer.example"], attachmentIds: [Attachment], draftId: Draft },
  }),
  "Mutation.markRead": ({ Message }) => ({ input: { messageIds: [Message] } }),
  "Mutation.markUnread": ({ Message }) => ({ input: { messageIds: [Message] } }),
  "Mutation.flag": ({ Message }) => ({ input: { messageIds: [Message] } }),
  "Mutation.unflag": ({ Message }) => ({ input: { messageIds: [Message] } }),
  "Mutation.moveToFolder": ({ Message }) => ({ input: { messageIds: [Message], folder: "ARCHIVE" } }),
  "Mutation.deleteMessages": ({ Message }) => ({ input: { messageIds: [Message] } }),
  "Mutation.exportMessages": ({ Message, Thread, Mailbox }, _person, [, wanted = "messageIds"]) => ({
    input: Object.fromEntries(Object.entries({ messageIds: [Message], threadId: Thread, mailboxId: Mailbox }).filter(([name]) => name === wanted)),
  }),
  "Mutation.placeHold": ({ Message }) => ({ input: { targetId: Message, reason: "APPEAL", until: "2027-01-01T00:00:00Z" } }),
  "Mutation.liftHold": ({ Hold }) => ({ input: { holdId: Hold } }),
  "Mutation.advanceClock": () => ({ input: { days: 1 } }),
  "Query.accessTokens": () => ({}),
  "Mutation.createAccessToken": () => ({ input: { name: "Script", scopes: ["READ"], expiresInDays: 1 } }),
  "Mutation.revokeAccessToken": ({ AccessToken }) => ({ input: { accessTokenId: AccessToken } }),
  "Query.people": () => ({}),
  "Query.teams": () => ({}),
  "Mutation.inviteEmployee": () => ({ input: { address: "new@insurer.example", displayName: "New" } }),
  "Mutation.acceptInvitation": () => ({ input: { token: invitation, userId: "newcomer", password: "violet harbour ladder seven quilts" } }),
  "Mutation.resendInvitation": ({ Account }) => ({ input: { accountId: Account } }),
  "Mutation.revokeInvitation": ({ Account }) => ({ input: { accountId: Account } }),
  "Mutation.disableAccount": ({ Account }) => ({ input: { accountId: Account } }),
  "Mutation.enableAccount": ({ Account }) => ({ input: { accountId: Account } }),
  "Mutation.changeAccountKind": ({ Account }) => ({ input: { accountId: Account, kind: "EMPLOYEE" } }),
  "Mutation.createTeam": () => ({ input: { address: "team@insurer.example", displayName: "Team" } }),
  "Mutation.addTeamMember": ({ Mailbox, Account }) => ({ input: { mailboxId: Mailbox, accountId: Account, role: "READER" } }),
  "Mutation.removeTeamMember": ({ Mailbox, Account }) => ({ input: { mailboxId: Mailbox, accountId: Account } }),
  "Mutation.importEmployees": () => ({ input: { csv: "address,display name", dryRun: true } }),
  "Query.auditEvents": ({ Account, Mailbox }) => ({ filter: { actorId: Account, mailboxId: Mailbox } }),
  "Query.auditSeals": () => ({}),
  "Query.verifyNotice": () => ({ reference: "K7F2M-9QX4D" }),
  "Query.suspectedNotices": () => ({}),
  "Mutation.updateNotificationPreferences": () => ({ input: { reminders: true } }),
  "Mutation.reportSuspectedNotice": () => ({ input: { description: "It looks odd." } }),
  "Subscription.mailboxChanged": ({ Mailbox }) => ({ mailboxId: Mailbox, after: encodeCursor("feed", 0) }),
  "Subscription.messageReceived": ({ Mailbox }) => ({ mailboxId: Mailbox }),
  "Subscription.exportChanged": ({ Export }) => ({ id: Export }),
};

/** What somebody who is not signed in may run. All else is 401 before anybody looks at it. */
const openToAnonymous = [
  "Query.viewer",
  "Query.signInMethods",
  "Query.verifyNotice",
  "Mutation.beginPasskeySignIn",
  "Mutation.signInWithPasskey",
  "Mutation.reportSuspectedNotice",
  "Mutation.signIn",
  "Mutation.acceptInvitation",
  "Mutation.requestSignInCode",
  "Mutation.signInWithCode",
  "Mutation.requestValidation",
  "Mutation.validateAddress",
  "Mutation.enrol",
  "Mutation.requestPasswordReset",
  "Mutation.resetPassword",
];
/** What takes a secret that was mailed, or what external people alone may do: test/enrolment and test/accounts show whom it answers. */
const bySecret = [
  "Mutation.validateAddress",
  "Mutation.enrol",
  "Mutation.attachAddress",
  "Mutation.changePassword",
  "Mutation.resetPassword",
  "Mutation.requestAddressChange",
  "Mutation.confirmAddressChange",
  "Mutation.closeAccount",
];
/** What is switched off here; test/accounts/sign-in-with-code.test.ts has them. */
const switchedOff = ["Mutation.requestSignInCode", "Mutation.signInWithCode"];
/** What only administrators may run, whom it answers in tests of its own. */
const forAdministrators = [
  "Query.auditEvents",
  "Query.auditSeals",
  "Query.suspectedNotices",
  "Mutation.advanceClock",
  "Query.people",
  "Query.teams",
  "Mutation.inviteEmployee",
  "Mutation.resendInvitation",
  "Mutation.revokeInvitation",
  "Mutation.disableAccount",
  "Mutation.enableAccount",
  "Mutation.changeAccountKind",
  "Mutation.createTeam",
  "Mutation.addTeamMember",
  "Mutation.removeTeamMember",
  "Mutation.importEmployees",
];

/** What takes something that only a device has: test/factors/ has it work. */
const takesDevice = ["signInWithPasskey", "addPasskey", "confirmTotp", "removeTotp", "regenerateRecoveryCodes", "confirmIdentity"].map(
  (name) => `Mutation.${name}`,
);

const schema = createSchema();
const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].filter(isObjectType);
const rootFields = roots.flatMap((root) =>
  Object.values(root.getFields()).map((field) => ({ name: `${root.name}.${field.name}`, operation: root.name.toLowerCase(), field })),
);
const nodeKinds = [
  "Account",
  "Session",
  "Mailbox",
  "Message",
  "Thread",
  "Draft",
  "Attachment",
  "Export",
  "Hold",
  "Device",
  "Passkey",
  "AccessToken",
] as const satisfies readonly NodeKind[];
const overHttp = rootFields.filter(({ operation }) => operation !== "subscription");
const subscriptions = rootFields.filter(({ operation }) => operation === "subscription");

let app: TestApp;
let olga: SignedInPerson;
let stan: SignedInPerson;
let carl: SignedInPerson;
/** What Olga has and Stan has, for calls that change nothing of it. */
/** The token of an invitation that nobody has accepted. */
let invitation: string;
let hers: Belongings;
let his: Belongings;

beforeAll(async () => {
  app = await startTestApp({ limits: { maxExports: 1000 } });
  [olga, stan, carl] = await Promise.all([employee(app, "olga"), employee(app, "stan"), employee(app, "carl")]);
  [hers, his] = await Promise.all([belongingsOf(olga), belongingsOf(stan)]);
  const newcomer = { address: "newcomer@insurer.example", displayName: "Newcomer", kind: AccountKind.EMPLOYEE, language: Language.EN };
  invitation = await inTransaction(app.ctx(), async (ctx) => (await addEmployees(ctx, [newcomer]))[0]?.token ?? "");
});

afterAll(() => app.close());

test("each root field of the schema has a call here, with all the ids that it takes, and each kind of node a case", () => {
  expect(Object.keys(callsOf).toSorted()).toEqual(rootFields.map(({ name }) => name).toSorted());
  const own: Belongings = {
    Account: "my",
    Session: "my",
    Mailbox: "my",
    Message: "my",
    Thread: "my",
    Draft: "my",
    Attachment: "my",
    Export: "my",
    Hold: "my",
    Device: "my",
    Passkey: "my",
    AccessToken: "my",
  };
  const taken = rootFields.flatMap(({ name, field }) => idsOf(field).map((place) => ({ name, place, id: at(callOf(name, own, olga, place), place) })));
  expect(taken).toEqual(taken.map(({ name, place }) => ({ name, place, id: "my" })));
  const node = schema.getType("Node");
  const nodes = isAbstractType(node) ? schema.getPossibleTypes(node) : [];
  expect(nodes.map(({ name }) => name).toSorted()).toEqual(nodeKinds.toSorted());
});

describe("somebody who is not signed in", () => {
  const nobody = (): Client => new Client(app.url);
  const refused = { status: 401, errors: [{ message: "Sign in first.", extensions: { code: "UNAUTHENTICATED" } }] };

  test.each(rootFields.filter(({ name }) => !openToAnonymous.includes(name)))(
    "is refused $name before anybody looks whether it is valid",
    async ({ operation, field }) => {
      expect(await nobody().send(documentOf(operation, field), {})).toEqual(refused);
      expect(await nobody().send(`${operation} { ${field.name} { noSuchField } }`)).toEqual(refused);
    },
  );

  test("may ask who they are, sign in, and verify a notice", async () => {
    expect(await nobody().send("{ viewer { account { id } } }")).toMatchObject({ status: 200, data: { viewer: null } });
    const signIn = "mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }";
    expect(await nobody().send(signIn, { input: { userId: "carl", password: PASSWORD } })).toMatchObject({ data: { signIn: { __typename: "SignInPayload" } } });
    expect(await nobody().send('{ verifyNotice(reference: "x") { sentByUs } }')).toMatchObject({ data: { verifyNotice: { sentByUs: false } } });
  });

  test.each([
    ["an alias", "{ viewer: limits { maxIds } }"],
    ["a field beside an open one", "{ viewer { account { id } } limits { maxIds } }"],
    ["a fragment", "{ ...F } fragment F on Query { limits { maxIds } }"],
    ["an inline fragment", "{ ... { ... on Query { limits { maxIds } } } }"],
    ["a directive", "query ($no: Boolean = false) { limits @skip(if: $no) { maxIds } }"],
    ["the schema", "{ __schema { types { name } } }"],
    ["a type", '{ __type(name: "Message") { name } }'],
  ])("cannot get past that by %s", async (_trick, query) => {
    expect(await nobody().send(query)).toEqual(refused);
    expect(await olga.client.send(query)).toMatchObject({ status: 200, data: expect.anything() });
  });

  test("cannot run one of two operations by naming it, nor what somebody else has sent before", async () => {
    const two = "query Open { viewer { account { id } } } query Closed { limits { maxIds } }";
    const send = (body: object, token: string | null = null): Promise<Response> =>
      fetch(`${app.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
        body: JSON.stringify(body),
      });
    expect((await send({ query: two, operationName: "Closed" })).status).toBe(401);
    expect((await send({ query: two, operationName: "Open" })).status).toBe(200);

    const query = "{ __schema { queryType { name } } }";
    const persistedQuery = { version: 1, sha256Hash: createHash("sha256").update(query).digest("hex") };
    await send({ query, extensions: { persistedQuery } }, olga.client.token);
    expect(await (await send({ extensions: { persistedQuery } })).json()).toEqual({
      errors: [expect.objectContaining({ message: "PersistedQueryNotSupported" })],
    });
  });

  test.each(subscriptions)("cannot open a socket for $name", async ({ operation, field }) => {
    for (const client of [nobody(), new Client(app.url, "bogus"), new Client(app.url, "A".repeat(43))]) {
      expect(await firstOf(client, documentOf(operation, field), { mailboxId: olga.mailboxId })).toEqual({ closed: CloseCode.Forbidden });
    }
  });
});

describe("the schema can be looked at", () => {
  const query = "{ __schema { queryType { name } } }";
  const granted = { status: 200, data: { __schema: { queryType: { name: "Query" } } } };
  const anonymous = { status: 401, errors: [{ extensions: { code: "UNAUTHENTICATED" } }] };
  const disabled = { status: 400, errors: expect.arrayContaining([expect.objectContaining({ extensions: { code: "GRAPHQL_VALIDATION_FAILED" } })]) };

  test.each([
    ["everyone", granted, granted],
    ["signed-in", anonymous, granted],
    ["nobody", anonymous, disabled],
  ] as const)("by %s", async (introspection, toNobody, toOlga) => {
    const other = await startTestApp({ beside: app, config: { introspection } });
    try {
      expect(await new Client(other.url).send(query)).toMatchObject(toNobody);
      expect(await new Client(other.url, olga.client.token).send(query)).toMatchObject(toOlga);
      expect(await new Client(other.url, olga.client.token).send("{ __typename }")).toMatchObject({ data: { __typename: "Query" } });
      expect(await new Client(other.url).send("{ limits { maxIds } __schema { queryType { name } } }")).toMatchObject(anonymous);
    } finally {
      await other.close();
    }
  });
});

describe("somebody who is no administrator", () => {
  test.each(rootFields.filter(({ name, operation }) => operation === "query" && forAdministrators.includes(name)))(
    "is refused $name, which answers an administrator",
    async ({ name, operation, field }) => {
      const ada = await signedInPerson(app, `ada-${field.name.toLowerCase()}`, AccountKind.ADMINISTRATOR);
      const document = documentOf(operation, field);
      const refused = await post(stan.client, document, callOf(name, his, stan));
      expect(JSON.parse(refused.body)).toMatchObject({ data: { [field.name]: null }, errors: [{ extensions: { code: "FORBIDDEN" } }] });
      expect(await post(stan.client, document, callOf(name, hers, stan))).toEqual(refused);
      const granted = await post(ada.client, document, callOf(name, his, ada));
      expect(JSON.parse(granted.body)).toMatchObject({ data: { [field.name]: { edges: expect.any(Array) } } });
      expect(granted.body).not.toContain('"errors"');
    },
  );
});

describe("a stranger", () => {
  test.each(overHttp.filter(({ name, field }) => idsOf(field).length > 0 && !forAdministrators.includes(name)))(
    "gets from $name the same for somebody else's id as for one that never was; its owner gets what she asks for",
    async ({ name, operation, field }) => {
      const mine = operation === "query" ? hers : await belongingsOf(olga);
      const document = documentOf(operation, field);
      for (const place of idsOf(field)) {
        const answerTo = (change: (own: string) => string): Promise<Reply> =>
          post(stan.client, document, replaced(callOf(name, his, stan, place), place, change));
        const foreign = await answerTo((own) => counterpart(mine, own));
        expect(foreign.body).toMatch(/"(NOT_FOUND|ATTACHMENT_NOT_READY)"/);
        expect(await answerTo(neverWas)).toEqual(foreign);
        expect(await answerTo((own) => mixed(counterpart(mine, own), neverWas(own)))).toEqual(foreign);
        expect(await answerTo((own) => mixed(own, counterpart(mine, own)))).toEqual(foreign);
      }
      const owners = await post(olga.client, document, callOf(name, mine, olga));
      expect(owners.body).not.toMatch(/"errors"|"Problem"/);
      expect(owners.status).toBe(200);
    },
  );

  const walked = overHttp.filter(
    ({ name, field }) => idsOf(field).length === 0 && ![...forAdministrators, ...switchedOff, ...bySecret, ...takesDevice].includes(name),
  );
  test.each(walked)("meets nothing of anybody else's in $name, which works", async ({ name, operation, field }) => {
    const stranger = await employee(app, `sam-${field.name.toLowerCase()}`); // Who may end all their sessions
    const { status, body } = await post(stranger.client, documentOf(operation, field), callOf(name, his, stranger));
    expect(body).not.toMatch(/"errors"|"Problem"/);
    expect(status).toBe(200);
    for (const id of [olga.address, ...Object.values(hers)]) expect(body).not.toContain(id);
  });

  test.each(overHttp.filter(({ name }) => forAdministrators.includes(name)))("is told that $name is for administrators", async ({ name, operation, field }) => {
    const { body } = await post(stan.client, documentOf(operation, field), callOf(name, his, stan));
    expect(body).toContain(`"FORBIDDEN"`);
    expect(body).toContain("Only an administrator");
  });

  test.each(nodeKinds)("finds no %s of somebody else as a node", async (kind) => {
    const query = "query ($id: ID!) { node(id: $id) { __typename id } }";
    const foreign = await post(stan.client, query, { id: hers[kind] });
    expect(JSON.parse(foreign.body)).toMatchObject({ data: { node: null }, errors: [{ extensions: { code: "NOT_FOUND" } }] });
    for (const id of [neverWas(hers[kind]), mixed(hers[kind], neverWas(hers[kind])), "x"]) expect(await post(stan.client, query, { id })).toEqual(foreign);
    expect(JSON.parse((await post(olga.client, query, { id: hers[kind] })).body)).toMatchObject({ data: { node: { __typename: kind, id: hers[kind] } } });
  });

  test("cannot download somebody else's file, nor learn that it is there", async () => {
    const { Attachment } = hers;
    const foreign = await replyOf(await stan.client.download(`/attachments/${Attachment}`));
    expect(foreign.status).toBe(404);
    for (const id of [neverWas(Attachment), "x"]) expect(await replyOf(await stan.client.download(`/attachments/${id}`))).toEqual(foreign);
    expect(await replyOf(await olga.client.download(`/attachments/${Attachment}`))).toMatchObject({ status: 200, body: "A file." });
  });

  test.each(subscriptions)("cannot follow what is somebody else's by $name, and its owner can", async ({ name, operation, field }) => {
    const document = documentOf(operation, field);
    const foreign = await firstOf(stan.client, document, callOf(name, hers, stan));
    expect(foreign).toMatchObject({ result: { errors: [{ extensions: { code: "NOT_FOUND" } }] } });
    expect(await firstOf(stan.client, document, callOf(name, { ...his, Mailbox: neverWas(hers.Mailbox), Export: neverWas(hers.Export) }, stan))).toEqual(
      foreign,
    );

    let event: unknown;
    const arrival = firstOf(olga.client, document, callOf(name, hers, olga)).then((first) => (event = first));
    await eventually(async () => {
      await sendMessage(carl, { to: [olga.address] });
      expect(event).toBeDefined();
    });
    expect(await arrival).toMatchObject({ result: { data: { [field.name]: expect.anything() } } });
  });
});

/** Makes one thing of each kind for somebody: an opened message and its thread, a draft, a file, a session, a hold on another message. */
async function belongingsOf(person: SignedInPerson): Promise<Belongings> {
  const { client } = person;
  const { id } = await deliver(carl, person);
  const message = await openMessage(person, id);
  const draft = { mailboxId: person.mailboxId, draftId: null, to: null, cc: null, subject: null, body: null, priority: null };
  const { saveDraft } = await client.run(SaveDraftDocument, { input: { ...draft, attachmentIds: null, replyTo: null, forwardOf: null } });
  const { createAccessToken } = await client.run(CreateAccessTokenDocument, { input: { name: "Script", scopes: ["READ"], expiresInDays: 1 } });
  const another = await signedInAgain(person);
  const { sessions } = await another.run(SessionsDocument, {});
  const { devices } = await another.run(DevicesDocument, {});
  return {
    Account: encodeId("Account", person.accountId),
    Session: sessions.find(({ isCurrent }) => isCurrent)?.id ?? "",
    Mailbox: person.mailboxId,
    Message: message.id,
    Thread: message.thread.id,
    Draft: "draft" in saveDraft ? saveDraft.draft.id : "",
    Attachment: await client.uploaded("file.txt", "A file."),
    Export: (await requestExport(person, { messageIds: [message.id] })).id,
    Hold: await placeHold(person, (await deliver(carl, person)).id),
    Device: devices.find(({ isCurrent }) => isCurrent)?.id ?? "",
    Passkey: await passkeyOf(person),
    AccessToken: "accessToken" in createAccessToken ? createAccessToken.accessToken.id : "",
  };
}

/** Whoever has belongings has a passkey, and signs in with that. */
const devices = new Map<string, Authenticator>();

async function signedInAgain({ userId, client }: SignedInPerson): Promise<Client> {
  const device = devices.get(userId) ?? (await addPasskey(client)).authenticator;
  devices.set(userId, device);
  return signInByPasskey(app.url, device);
}

/** One that stays, beside the one that signs in, and a spare one for as long as it is there: there is a limit. */
async function passkeyOf({ client }: SignedInPerson): Promise<string> {
  const { passkeys } = (await client.run(SecondFactorsDocument, {})).secondFactors;
  const spare = passkeys.find(({ name }) => name === "Spare" || name === "Another name");
  return spare?.id ?? (await addPasskey(client, passkeys.some(({ name }) => name === "Kept") ? "Spare" : "Kept")).passkeyId;
}

function answering(): Variables {
  return { challengeId: randomUUID(), response: {} };
}

function sending(): Variables {
  return { body: { text: "Words." }, idempotencyKey: randomUUID() };
}

function callOf(name: string, own: Belongings, person: SignedInPerson, place: readonly string[] = []): Variables {
  const call = callsOf[name];
  if (call === undefined) throw new Error(`${name} has no call in this test`);
  return call(own, person, place);
}

/** An operation that calls a root field with all its arguments as variables and selects what it can without more of them. */
function documentOf(operation: string, { name, args, type }: GraphQLField<unknown, unknown>): string {
  const declared = args.map((argument) => `$${argument.name}: ${String(argument.type)}`).join(", ");
  const given = args.map((argument) => `${argument.name}: $${argument.name}`).join(", ");
  return `${operation}${declared && ` (${declared})`} { ${name}${given && `(${given})`} ${selectionOf(getNamedType(type), 3)} }`;
}

function selectionOf(type: GraphQLNamedType, depth: number): string {
  if (isUnionType(type))
    return `{ __typename ${type
      .getTypes()
      .map((member) => `... on ${member.name} ${selectionOf(member, depth)}`)
      .join(" ")} }`;
  if (!isObjectType(type)) return isCompositeType(type) ? "{ __typename }" : "";
  const fields = Object.values(type.getFields()).flatMap((field) => {
    const below = getNamedType(field.type);
    if (field.args.some(isRequiredArgument) || (isCompositeType(below) && depth === 1)) return [];
    return `${field.name} ${selectionOf(below, depth - 1)}`;
  });
  return `{ __typename ${fields.join(" ")} }`;
}

/** Where in its variables a root field takes ids: each a path, with 0 for the first of a list. */
function idsOf(field: GraphQLField<unknown, unknown>): string[][] {
  const within = (type: GraphQLInputType): string[][] => {
    const nullable = getNullableType(type);
    if (isListType(nullable)) return within(nullable.ofType).map((path) => ["0", ...path]);
    if (isInputObjectType(nullable)) return Object.values(nullable.getFields()).flatMap((part) => within(part.type).map((path) => [part.name, ...path]));
    return nullable === GraphQLID ? [[]] : [];
  };
  return field.args.flatMap((argument) => within(argument.type).map((path) => [argument.name, ...path]));
}

function at(value: unknown, [step, ...steps]: readonly string[]): unknown {
  if (step === undefined) return value;
  return typeof value === "object" && value !== null ? at(Reflect.get(value, step), steps) : undefined;
}

/** The same variables but for what stands in one place. */
function replaced(variables: Variables, place: readonly string[], change: (own: string) => string): Variables {
  const copy = structuredClone(variables);
  const holder = at(copy, place.slice(0, -1));
  const [last] = place.slice(-1);
  if (typeof holder !== "object" || holder === null || last === undefined) throw new Error(`There is nothing at ${place.join(".")}`);
  Reflect.set(holder, last, change(String(Reflect.get(holder, last))));
  return copy;
}

/** The other person's thing of the same kind. */
function counterpart(others: Belongings, own: string): string {
  const { kind } = decodeAnyId(own) ?? {};
  return kind === undefined ? "" : others[kind];
}

/** A well-formed id of the same kind that nobody ever had. */
function neverWas(id: string): string {
  const { kind = "Account", uuids = [] } = decodeAnyId(id) ?? {};
  return encodeId(kind, ...uuids.map(() => randomUUID()));
}

/** The mailbox of one id with the rest of another; the other itself where its kind names no mailbox. */
function mixed(one: string, other: string): string {
  const [mailbox] = decodeAnyId(one)?.uuids ?? [];
  const { kind = "Account", uuids = [] } = decodeAnyId(other) ?? {};
  return uuids.length === 2 && mailbox !== undefined ? encodeId(kind, mailbox, ...uuids.slice(1)) : other;
}

/** All that can be seen of an answer but its time and number. */
interface Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

async function post(client: Client, query: string, variables: Variables): Promise<Reply> {
  const authorization = { authorization: `Bearer ${client.token ?? ""}` };
  const { file } = variables;
  if (!(file instanceof Blob)) {
    const body = JSON.stringify({ query, variables });
    return replyOf(await fetch(`${app.url}/graphql`, { method: "POST", headers: { "content-type": "application/json", ...authorization }, body }));
  }
  const form = new FormData();
  form.set("operations", JSON.stringify({ query, variables: { file: null } }));
  form.set("map", JSON.stringify({ 0: ["variables.file"] }));
  form.set("0", file, "file.txt");
  return replyOf(await fetch(`${app.url}/graphql`, { method: "POST", headers: { "apollo-require-preflight": "1", ...authorization }, body: form }));
}

async function replyOf(response: Response): Promise<Reply> {
  const changing = new Set(["date", "x-request-id", "set-cookie"]);
  return { status: response.status, headers: Object.fromEntries([...response.headers].filter(([name]) => !changing.has(name))), body: await response.text() };
}

/** What a subscription answers first: a result, or the code with which the server closes the socket. */
async function firstOf(client: Client, query: string, variables: Variables): Promise<object> {
  const socket = client.socket();
  try {
    return await new Promise<object>((resolve) => {
      socket.subscribe(
        { query, variables },
        {
          next: (result) => resolve({ result }),
          error: (error) => resolve(error instanceof Object && "code" in error ? { closed: error.code } : { result: { errors: error } }),
          complete: () => resolve({ completed: true }),
        },
      );
    });
  } finally {
    await socket.dispose();
  }
}
