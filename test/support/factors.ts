import { generateSync } from "otplib";
import {
  AddPasskeyDocument,
  BeginPasskeyRegistrationDocument,
  BeginPasskeySignInDocument,
  BeginTotpSetupDocument,
  ConfirmTotpDocument,
  SignInWithPasskeyDocument,
  SignInWithSecondFactorDocument,
  type SecondFactorInput,
} from "../../operations/generated/operations.ts";
import { SECOND } from "../../src/clock.ts";
import type { TestApp } from "./app.ts";
import { Authenticator, type Misbehaviour } from "./authenticator.ts";
import { Client } from "./client.ts";
import { mailsTo } from "./mails.ts";
import { PASSWORD } from "./people.ts";

/** Somebody's authenticator app. */
export interface AuthenticatorApp {
  readonly secret: string;
  readonly recoveryCodes: readonly string[];
  /** The code that it shows, now or so many steps of 30 seconds later. */
  readonly code: (steps?: number) => string;
}

/** Sets an authenticator app up for whoever is signed in. */
export async function addTotp(app: TestApp, client: Client): Promise<AuthenticatorApp> {
  const { beginTotpSetup } = await client.run(BeginTotpSetupDocument, {});
  if (!("secret" in beginTotpSetup)) throw new Error(`No authenticator app can be set up: ${beginTotpSetup.code}`);
  const { secret } = beginTotpSetup;
  const code = (steps = 0): string => codeAt(secret, app.clock.now().getTime() / SECOND + 30 * steps);
  const { confirmTotp } = await client.run(ConfirmTotpDocument, { input: { code: code() } });
  if (!("recoveryCodes" in confirmTotp)) throw new Error(`The authenticator app is not taken: ${confirmTotp.code}`);
  return { secret, recoveryCodes: confirmTotp.recoveryCodes, code };
}

/** The code of a secret at an instant, in seconds. */
export function codeAt(secret: string, seconds: number): string {
  return generateSync({ secret, epoch: Math.floor(seconds) });
}

/** What `beginPasskeySignIn` asks for. */
export async function beginPasskeySignIn(client: Client): Promise<{ challengeId: string; options: Record<string, unknown> }> {
  const { beginPasskeySignIn } = await client.run(BeginPasskeySignInDocument, {});
  if (!("challengeId" in beginPasskeySignIn)) throw new Error(`No passkey is asked for: ${beginPasskeySignIn.code}`);
  return beginPasskeySignIn;
}

/** What `beginPasskeyRegistration` asks for. */
export async function beginPasskeyRegistration(client: Client): Promise<{ challengeId: string; options: Record<string, unknown> }> {
  const { beginPasskeyRegistration } = await client.run(BeginPasskeyRegistrationDocument, {});
  if (!("challengeId" in beginPasskeyRegistration)) throw new Error(`No passkey can be added: ${beginPasskeyRegistration.code}`);
  return beginPasskeyRegistration;
}

/** Adds a passkey for whoever is signed in. */
export async function addPasskey(client: Client, name = "A passkey") {
  const authenticator = new Authenticator(new URL(client.url).origin);
  const { challengeId, options } = await beginPasskeyRegistration(client);
  const { addPasskey } = await client.run(AddPasskeyDocument, { input: { challengeId, response: authenticator.create(options), name } });
  if (!("passkey" in addPasskey)) throw new Error(`The passkey is not taken: ${addPasskey.code}`);
  return { authenticator, passkeyId: addPasskey.passkey.id, recoveryCodes: addPasskey.recoveryCodes };
}

/** A passkey's answer to a challenge begun for it. */
export async function passkeyAnswer(client: Client, authenticator: Authenticator, wrong: Misbehaviour = {}) {
  const { challengeId, options } = await beginPasskeySignIn(client);
  return { challengeId, response: authenticator.get(options, wrong) };
}

/** What signing in with the password of all test people, and perhaps a second factor, answers. */
export async function signInAs(app: TestApp, userId: string, secondFactor: SecondFactorInput | null = null, password = PASSWORD) {
  return (await new Client(app.url).run(SignInWithSecondFactorDocument, { input: { userId, password, secondFactor } })).signIn;
}

/** Whom an answer to signing in has let in; fails if nobody. */
export function clientOf(app: TestApp, answer: { token: string } | { code: string }): Client {
  if (!("token" in answer)) throw new Error(`Nobody is let in: ${answer.code}`);
  return new Client(app.url, answer.token);
}

/** Signs in with a passkey alone. */
export async function signInByPasskey(url: string, authenticator: Authenticator): Promise<Client> {
  const anonymous = new Client(url);
  const { signInWithPasskey } = await anonymous.run(SignInWithPasskeyDocument, { input: await passkeyAnswer(anonymous, authenticator) });
  if (!("token" in signInWithPasskey)) throw new Error(`The passkey signs nobody in: ${signInWithPasskey.code}`);
  return new Client(url, signInWithPasskey.token);
}

/** What somebody was told by mail of changed factors. */
export async function changesTold(app: TestApp, address: string): Promise<{ kind: string; data: unknown }[]> {
  return (await mailsTo(app, address)).filter(({ kind }) => kind === "factor-changed");
}
