import {
  getNamedType,
  getNullableType,
  type GraphQLField,
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isListType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isUnionType,
} from "graphql";
import {
  ConfirmIdentityDocument,
  RemovePasskeyDocument,
  RemoveTotpDocument,
  SecondFactorsDocument,
  SignInWithPasskeyDocument,
} from "../../operations/generated/operations.ts";
import { accountByKey, AccountKind } from "../../src/accounts/account.ts";
import { SignInMethod } from "../../src/accounts/session.ts";
import { startSession } from "../../src/accounts/start-session.ts";
import { MINUTE } from "../../src/clock.ts";
import type { Config } from "../../src/config.ts";
import { createSchema } from "../../src/schema.ts";
import { isOpenToAnonymous } from "../../src/server/graphql.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import type { Authenticator } from "../support/authenticator.ts";
import { Client } from "../support/client.ts";
import { addPasskey, addTotp, clientOf, passkeyAnswer, signInAs, signInByPasskey } from "../support/factors.ts";
import { createPerson, PASSWORD } from "../support/people.ts";

const CONFINED = "SECOND_FACTOR_REQUIRED";

/** What whoever must set up a second factor may run, beside what anybody may: that, and leaving. */
const openToConfined = [
  "Query.sessions",
  "Query.secondFactors",
  "Mutation.signOut",
  "Mutation.revokeSession",
  "Mutation.beginPasskeyRegistration",
  "Mutation.addPasskey",
  "Mutation.renamePasskey",
  "Mutation.removePasskey",
  "Mutation.beginTotpSetup",
  "Mutation.confirmTotp",
  "Mutation.removeTotp",
  "Mutation.regenerateRecoveryCodes",
  "Mutation.confirmIdentity",
];

const schema = createSchema();
const rootFields = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
  .filter(isObjectType)
  .flatMap((root) => Object.values(root.getFields()).map((field) => ({ name: `${root.name}.${field.name}`, operation: root.name.toLowerCase(), field })));

let app: TestApp;
let device: Authenticator;

beforeAll(async () => {
  app = await startTestApp({ config: { requireSecondFactor: "staff" } });
  await createPerson(app, "erin", AccountKind.EMPLOYEE);
  await createPerson(app, "strong", AccountKind.ADMINISTRATOR);
  device = (await addPasskey(clientOf(app, await signInAs(app, "strong")))).authenticator;
});

afterAll(() => app.close());

describe("an employee without the second factor that employees must have", () => {
  test("is signed in and told so", async () => {
    const signedIn = await signInAs(app, "erin");
    expect(signedIn).toMatchObject({ isConfined: true });
    const client = clientOf(app, signedIn);
    expect(await client.send("{ viewer { account { userId } } secondFactors { isRequired } }")).toMatchObject({
      data: { viewer: { account: { userId: "erin" } }, secondFactors: { isRequired: true } },
    });
    expect(await client.refusals("{ viewer { mailboxes { messages { edges { cursor } } } } }")).toEqual([CONFINED]);
  });

  test.each(rootFields.filter(({ operation }) => operation !== "subscription"))(
    "may run $name or is refused it, as it is written here",
    async ({ name, operation, field }) => {
      const document = documentOf(operation, field);
      const mayRun = openToConfined.includes(name) || isOpenToAnonymous(app.services.config, document, null);
      const strong = await strongSession();
      const variables = Object.fromEntries(field.args.filter(isRequiredArgument).map((argument) => [argument.name, smallest(argument.type)]));
      if (name === "Mutation.uploadAttachment") {
        await expect(clientOf(app, await signInAs(app, "erin")).upload("a.txt", "A file.")).rejects.toThrow(CONFINED);
        return;
      }
      const answer = JSON.stringify(await clientOf(app, await signInAs(app, "erin")).send(document, variables));
      expect([name, answer.includes(`"${CONFINED}"`)]).toEqual([name, !mayRun]);
      expect(JSON.stringify(await strong.send(document, variables))).not.toContain(`"${CONFINED}"`);
    },
  );

  test.each(rootFields.filter(({ operation }) => operation === "subscription"))("cannot follow $name", async ({ operation, field }) => {
    const variables = Object.fromEntries(field.args.filter(isRequiredArgument).map((argument) => [argument.name, smallest(argument.type)]));
    const codes = async (client: Client): Promise<unknown> => {
      const socket = client.socket();
      try {
        const { value } = await socket.iterate({ query: documentOf(operation, field), variables }).next();
        return JSON.stringify(value);
      } catch (error) {
        return JSON.stringify(error);
      } finally {
        await socket.dispose();
      }
    };
    expect(await codes(clientOf(app, await signInAs(app, "erin")))).toContain(`"${CONFINED}"`);
    expect(await codes(await strongSession())).toContain('"NOT_FOUND"');
  });

  test.each(["/attachments/x", "/exports/x", "/audit/events"])("cannot download %s", async (path) => {
    const confined = await clientOf(app, await signInAs(app, "erin")).download(path);
    expect(confined.status).toBe(403);
    expect(await confined.json()).toMatchObject({ errors: [{ extensions: { code: CONFINED } }] });
    expect(await (await (await strongSession()).download(path)).text()).not.toContain(CONFINED);
  });
});

describe("a session is let go", () => {
  const limits = async (client: Client): Promise<unknown> => (await client.refusals("{ limits { maxIds } }"))[0] ?? null;

  test("at once when a factor is set up in it, and no other session with it", async () => {
    await createPerson(app, "emil", AccountKind.EMPLOYEE);
    const [one, other] = [clientOf(app, await signInAs(app, "emil")), clientOf(app, await signInAs(app, "emil"))];
    expect([await limits(one), await limits(other)]).toEqual([CONFINED, CONFINED]);
    const { code } = await addTotp(app, one);
    expect([await limits(one), await limits(other)]).toEqual([null, CONFINED]);

    app.clock.advance(MINUTE);
    const confirm = async (input: object) => (await other.run(ConfirmIdentityDocument, { input })).confirmIdentity;
    expect(await confirm({ password: PASSWORD })).toMatchObject({ code: CONFINED, methods: ["TOTP", "RECOVERY_CODE"] });
    expect(await confirm({ password: PASSWORD, secondFactor: { totp: code() } })).toMatchObject({ confirmedUntil: expect.any(String) });
    expect(await limits(other)).toBeNull();
  });

  test("when a passkey is added in it, and begins so with a second factor or a passkey", async () => {
    await createPerson(app, "petra", AccountKind.EMPLOYEE);
    const client = clientOf(app, await signInAs(app, "petra"));
    const { authenticator } = await addPasskey(client);
    expect(await limits(client)).toBeNull();
    const anonymous = new Client(app.url);
    expect(await signInAs(app, "petra", { passkey: await passkeyAnswer(anonymous, authenticator) })).toMatchObject({ isConfined: false });
    const { signInWithPasskey } = await anonymous.run(SignInWithPasskeyDocument, { input: await passkeyAnswer(anonymous, authenticator) });
    expect(signInWithPasskey).toMatchObject({ isConfined: false });
  });

  test("from the start where the organisation's own provider vouched for it", async () => {
    const { accountId } = await createPerson(app, "sven", AccountKind.EMPLOYEE);
    const start = async (method: SignInMethod): Promise<Client> => {
      const ctx = app.ctx();
      const account = await accountByKey.load(ctx, accountId);
      if (account === undefined) throw new Error("Sven has no account");
      return new Client(app.url, (await startSession(ctx, account, method)).token);
    };
    expect(await limits(await start(SignInMethod.PASSWORD))).toBe(CONFINED);
    expect(await limits(await start(SignInMethod.SINGLE_SIGN_ON))).toBeNull();
  });
});

test("who must have a factor cannot remove the last one", async () => {
  await createPerson(app, "lars", AccountKind.EMPLOYEE);
  const client = clientOf(app, await signInAs(app, "lars"));
  const { passkeyId } = await addPasskey(client);
  await addTotp(app, client);
  expect((await client.run(RemovePasskeyDocument, { input: { passkeyId } })).removePasskey).toEqual({ removedId: passkeyId });
  expect((await client.run(RemoveTotpDocument, {})).removeTotp).toMatchObject({ code: CONFINED });
  expect((await client.run(SecondFactorsDocument, {})).secondFactors).toMatchObject({ totpSince: expect.any(String), recoveryCodesLeft: 10 });
});

test.each<[required: Config["requireSecondFactor"], confined: AccountKind[]]>([
  ["staff", [AccountKind.EMPLOYEE, AccountKind.ADMINISTRATOR]],
  ["everyone", Object.values(AccountKind)],
  ["nobody", []],
])("with REQUIRE_SECOND_FACTOR=%s these are confined: %j", async (requireSecondFactor, confined) => {
  const there = await startTestApp({ beside: app, config: { requireSecondFactor } });
  try {
    const kinds: AccountKind[] = [];
    for (const kind of Object.values(AccountKind)) {
      const userId = `${requireSecondFactor}-${kind}`.toLowerCase();
      await createPerson(there, userId, kind);
      const signedIn = await signInAs(there, userId);
      const isRefused = (await clientOf(there, signedIn).send("{ limits { maxIds } }")).errors !== undefined;
      expect(signedIn).toMatchObject({ isConfined: isRefused });
      if (isRefused) kinds.push(kind);
    }
    expect(kinds.toSorted()).toEqual(confined.toSorted());
  } finally {
    await there.close();
  }
});

/** A session of an administrator who has given a second factor. */
function strongSession(): Promise<Client> {
  return signInByPasskey(app.url, device);
}

function documentOf(operation: string, { name, args, type }: GraphQLField<unknown, unknown>): string {
  const needed = args.filter(isRequiredArgument);
  const declared = needed.map((argument) => `$${argument.name}: ${String(argument.type)}`).join(", ");
  const given = needed.map((argument) => `${argument.name}: $${argument.name}`).join(", ");
  const result = getNamedType(type);
  const selection = isUnionType(result) ? "{ __typename ... on Problem { code } }" : "{ __typename }";
  return `${operation}${declared && ` (${declared})`} { ${name}${given && `(${given})`} ${selection} }`;
}

/** The least that a type takes. */
function smallest(type: GraphQLInputType): unknown {
  const nullable = getNullableType(type);
  if (isListType(nullable)) return [smallest(nullable.ofType)];
  if (isEnumType(nullable)) return nullable.getValues()[0]?.name;
  if (isInputObjectType(nullable))
    return Object.fromEntries(
      Object.values(nullable.getFields())
        .filter(isRequiredInputField)
        .map((field) => [field.name, smallest(field.type)]),
    );
  const scalars: Record<string, unknown> = { Int: 1, Float: 1, Boolean: false, DateTime: "2026-01-01T00:00:00Z", JSONObject: {} };
  return scalars[nullable.name] ?? "x";
}
