import { type Browser, type CDPSession, chromium, type Page } from "playwright-core";
import { print } from "graphql";
import {
  AddPasskeyDocument,
  BeginPasskeyRegistrationDocument,
  BeginPasskeySignInDocument,
  SignInDocument,
  SignInWithPasskeyDocument,
  SignInWithSecondFactorDocument,
  SignOutDocument,
  ViewerDocument,
} from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { createPerson, PASSWORD } from "../support/people.ts";

/*
 * A real browser, with its own virtual authenticator, on a page of the server's own. The page does what docs/sign-in/factors.md
 * tells front-end teams to do, and has nothing but the browser's cookie.
 */

const FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

let app: TestApp;
let browser: Browser;
let page: Page;
let devtools: CDPSession;
let authenticatorId: string;

beforeAll(async () => {
  app = await startTestApp({ startAt: new Date(), config: { requireSecondFactor: "staff" } });
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS.split(" ") });
});

afterAll(async () => {
  await browser.close();
  await app.close();
});

beforeEach(async () => {
  const context = await browser.newContext();
  page = await context.newPage();
  await page.goto(`${app.url}/playground/config.json`); // A page that may talk to its server, and is there without a build
  devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  authenticatorId = await plugIn();
});

afterEach(() => page.context().close());

/** Gives the browser a device of its own, whose owner shows a finger whenever asked. */
async function plugIn(): Promise<string> {
  const device = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true } as const;
  const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", { options: { ...device, automaticPresenceSimulation: true } });
  return authenticatorId;
}

type Document = Parameters<typeof print>[0];

/** Runs an operation from the page, as whoever its cookie says. */
async function run(document: Document, variables: object = {}): Promise<Record<string, Record<string, unknown>>> {
  return page.evaluate(
    async (body) => {
      const response = await fetch("/graphql", { method: "POST", headers: { "content-type": "application/json" }, body });
      const { data } = (await response.json()) as { data: Record<string, Record<string, unknown>> };
      return data;
    },
    JSON.stringify({ query: print(document), variables }),
  );
}

/** Has the browser make or use a passkey, and returns its answer. */
async function prompt(ceremony: "create" | "get", begun: Record<string, unknown> | undefined): Promise<{ challengeId: unknown; response: unknown }> {
  // As text: the page's own words are no TypeScript of Node's
  const parse = ceremony === "create" ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
  const options = JSON.stringify(begun?.options);
  const script = `navigator.credentials.${ceremony}({ publicKey: PublicKeyCredential.${parse}(${options}) }).then((credential) => credential.toJSON())`;
  return { challengeId: begun?.challengeId, response: await page.evaluate(script) };
}

async function register(name: string): Promise<Record<string, unknown> | undefined> {
  const { beginPasskeyRegistration } = await run(BeginPasskeyRegistrationDocument);
  return (await run(AddPasskeyDocument, { input: { ...(await prompt("create", beginPasskeyRegistration)), name } })).addPasskey;
}

async function answer(): Promise<{ challengeId: unknown; response: unknown }> {
  return prompt("get", (await run(BeginPasskeySignInDocument)).beginPasskeySignIn);
}

const whoAmI = async (): Promise<unknown> => (await run(ViewerDocument)).viewer;

test("Chromium makes a passkey, signs in with it alone, again and again, and gives it as a second factor", async () => {
  await createPerson(app, "maria");
  expect(await run(SignInDocument, { input: { userId: "maria", password: PASSWORD } })).toMatchObject({ signIn: { token: expect.any(String) } });
  expect(await register("This browser")).toMatchObject({ passkey: { name: "This browser" }, recoveryCodes: { length: 10 } });
  const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId });
  expect(credentials).toMatchObject([{ rpId: "localhost", isResidentCredential: true }]);

  for (let n = 0; n < 2; n += 1) {
    await run(SignOutDocument);
    expect(await whoAmI()).toBeNull();
    expect(await run(SignInWithPasskeyDocument, { input: await answer() })).toMatchObject({ signInWithPasskey: { account: { userId: "maria" } } });
    expect(await whoAmI()).toMatchObject({ account: { userId: "maria" } });
  }

  await run(SignOutDocument);
  const credentialsOfMaria = { userId: "maria", password: PASSWORD };
  expect(await run(SignInWithSecondFactorDocument, { input: credentialsOfMaria })).toMatchObject({
    signIn: { code: "SECOND_FACTOR_REQUIRED", methods: ["PASSKEY", "RECOVERY_CODE"] },
  });
  expect(await run(SignInWithSecondFactorDocument, { input: { ...credentialsOfMaria, secondFactor: { passkey: await answer() } } })).toMatchObject({
    signIn: { isConfined: false },
  });
  expect(await whoAmI()).toMatchObject({ account: { userId: "maria" } });
});

test("an employee sets up the passkey that employees must have, and is let go", async () => {
  await createPerson(app, "erin", AccountKind.EMPLOYEE);
  expect(await run(SignInWithSecondFactorDocument, { input: { userId: "erin", password: PASSWORD } })).toMatchObject({ signIn: { isConfined: true } });
  expect(await whoAmI()).toBeNull();
  expect(await register("This browser")).toMatchObject({ passkey: { name: "This browser" } });
  expect(await whoAmI()).toMatchObject({ account: { userId: "erin" } });
});

test("Chromium makes no second passkey for an account on one device", async () => {
  await createPerson(app, "tom");
  await run(SignInDocument, { input: { userId: "tom", password: PASSWORD } });
  expect(await register("This browser")).toMatchObject({ passkey: { name: "This browser" } });
  await expect(register("Again")).rejects.toThrow("InvalidStateError");
});

test("a passkey whose owner shows no finger signs nobody in, and does once they do", async () => {
  await createPerson(app, "una");
  await run(SignInDocument, { input: { userId: "una", password: PASSWORD } });
  await register("This browser");
  await run(SignOutDocument);
  await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await expect(answer()).rejects.toThrow("NotAllowedError");
  await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });
  expect(await run(SignInWithPasskeyDocument, { input: await answer() })).toMatchObject({ signInWithPasskey: { account: { userId: "una" } } });
});

test("a copy of a passkey betrays itself by its counter", async () => {
  await createPerson(app, "vera");
  await run(SignInDocument, { input: { userId: "vera", password: PASSWORD } });
  await register("This browser");
  const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId });
  const [copy] = credentials;
  if (copy === undefined) throw new Error("The device has no passkey");
  for (let n = 0; n < 2; n += 1)
    expect(await run(SignInWithPasskeyDocument, { input: await answer() })).toMatchObject({ signInWithPasskey: { account: { userId: "vera" } } });
  await devtools.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId });
  authenticatorId = await plugIn();
  await devtools.send("WebAuthn.addCredential", { authenticatorId, credential: copy });
  expect(await run(SignInWithPasskeyDocument, { input: await answer() })).toMatchObject({ signInWithPasskey: { code: "INVALID_CREDENTIALS" } });
});
