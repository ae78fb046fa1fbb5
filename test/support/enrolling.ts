import {
  EnrolDocument,
  type EnrolInput,
  type EnrolMutation,
  RequestValidationDocument,
  ValidateAddressDocument,
  type ValidateAddressMutation,
} from "../../operations/generated/operations.ts";
import type { TestApp } from "./app.ts";
import { Client } from "./client.ts";
import { mailsTo } from "./mails.ts";
import { noticeFor } from "./notices.ts";
import { sql } from "./sql.ts";

/** Makes the server forget how often anything was tried, so that a test can try what it likes from its one address. */
export async function forgetAttempts(app: TestApp): Promise<void> {
  await sql(app, "delete from attempts");
}

/** What an address was told of its account. */
export async function changesTold(app: TestApp, address: string): Promise<unknown[]> {
  return (await mailsTo(app, address)).flatMap(({ kind, data }) => (kind === "account-changed" ? [data] : []));
}

/** What nobody guesses. */
export const NEW_PASSWORD = "blue kettle runs north";

/** What a mail with a code carries. */
export interface MailedCode {
  readonly code: string;
  readonly url: string;
  /** What stands behind the `#token=` of the link. */
  readonly token: string;
}

/** The code that was mailed to an address last, once the jobs have run. */
export async function mailedCode(app: TestApp, address: string): Promise<MailedCode> {
  await app.runJobsOnce();
  const found = (await codesTo(app, address)).at(-1);
  if (found === undefined) throw new Error(`No code came to ${address}`);
  return found;
}

/** All codes that were mailed to an address, oldest first. */
export async function codesTo(app: TestApp, address: string): Promise<MailedCode[]> {
  const mails = await mailsTo(app, address);
  return mails.flatMap(({ kind, data }) => {
    if (!["validation-code", "password-reset"].includes(kind)) return [];
    const { code, url } = data as { code: string; url: string };
    return [{ code, url, token: url.split("#token=")[1] ?? "" }];
  });
}

/** Asks for a code with a notice's token, and returns what was mailed. */
export async function askedCode(app: TestApp, address: string, noticeToken: string): Promise<MailedCode> {
  await forgetAttempts(app);
  app.clock.advance(1); // So that its mail sorts behind those before it
  await new Client(app.url).run(RequestValidationDocument, { input: { noticeToken } });
  return mailedCode(app, address);
}

/** Gives a code or a link back, and returns whatever is answered. */
export async function tryToValidate(
  app: TestApp,
  proof: { noticeToken?: string; code?: string; token?: string },
): Promise<ValidateAddressMutation["validateAddress"]> {
  const input = { noticeToken: null, code: null, token: null, ...proof };
  return (await new Client(app.url).run(ValidateAddressDocument, { input })).validateAddress;
}

/** Goes from a notice to a validated address, and returns the token to enrol with. */
export async function validated(app: TestApp, address: string): Promise<string> {
  const noticeToken = await noticeFor(app, address);
  const { code } = await askedCode(app, address, noticeToken);
  const answer = await tryToValidate(app, { noticeToken, code });
  if (!("enrolmentToken" in answer)) throw new Error(`The address was not validated: ${answer.code}`);
  return answer.enrolmentToken;
}

/** Enrols and returns whatever is answered. */
export async function tryToEnrol(app: TestApp, enrolmentToken: string, choice: Partial<EnrolInput> = {}): Promise<EnrolMutation["enrol"]> {
  const input = {
    enrolmentToken,
    userId: `user-${enrolmentToken.slice(0, 8).replace(/[^a-z0-9]/gi, "x")}`,
    password: NEW_PASSWORD,
    displayName: "New Person",
    language: "EN" as const,
    personalPhrase: null,
    ...choice,
  };
  return (await new Client(app.url).run(EnrolDocument, { input })).enrol;
}

/** Somebody who came by a notice, signed in. */
export async function enrolled(
  app: TestApp,
  userId: string,
  address = `${userId}@mail.example`,
): Promise<{ client: Client; accountId: string; address: string }> {
  const answer = await tryToEnrol(app, await validated(app, address), { userId });
  if (!("token" in answer)) throw new Error(`${userId} could not enrol: ${answer.message}`);
  return { client: new Client(app.url, answer.token), accountId: answer.account.id, address };
}
