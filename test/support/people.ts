import { AccountKind } from "../../src/accounts/account.ts";
import { createAccount } from "../../src/accounts/create-account.ts";
import { encodeId } from "../../src/graphql/node-id.ts";
import { HolderRole } from "../../src/mailboxes/mailbox-holder.ts";
import { MailboxKind } from "../../src/mailboxes/mailbox.ts";
import { letIn, openMailbox } from "../../src/mailboxes/open-mailbox.ts";
import type { TestApp } from "./app.ts";
import { Client } from "./client.ts";

export const PASSWORD = "correct horse battery";

/** Somebody with an account and a mailbox of their own. */
export interface TestPerson {
  readonly userId: string;
  readonly address: string;
  readonly accountId: string;
  /** The mailbox's key in the database, and its id in the API. */
  readonly mailboxKey: string;
  readonly mailboxId: string;
}

/** A signed-in person: the API as they have it. */
export type SignedInPerson = TestPerson & { readonly client: Client };

/** Makes somebody of a kind, with a mailbox; employees live at insurer.example. */
export async function createPerson(app: TestApp, userId: string, kind: AccountKind = AccountKind.MEMBER): Promise<TestPerson> {
  const isEmployee = kind === AccountKind.EMPLOYEE || kind === AccountKind.ADMINISTRATOR;
  const address = `${userId}@${isEmployee ? "insurer.example" : "mail.example"}`;
  const displayName = `Test ${userId}`;
  const ctx = app.ctx();
  const account = await createAccount(ctx, { userId, password: PASSWORD, kind, displayName, address });
  const mailboxKey = await openMailbox(ctx, { address, kind: MailboxKind.PERSON, displayName });
  await letIn(ctx, { mailboxId: mailboxKey, accountId: account.uuid });
  return { userId, address, accountId: account.uuid, mailboxKey, mailboxId: encodeId("Mailbox", mailboxKey) };
}

/** Makes somebody and signs them in. */
export async function signedInPerson(app: TestApp, userId: string, kind: AccountKind = AccountKind.MEMBER): Promise<SignedInPerson> {
  const person = await createPerson(app, userId, kind);
  return { ...person, client: await Client.signIn(app.url, userId, PASSWORD) };
}

/** An employee, signed in. */
export function employee(app: TestApp, userId = "employee"): Promise<SignedInPerson> {
  return signedInPerson(app, userId, AccountKind.EMPLOYEE);
}

/** A member, signed in. */
export function member(app: TestApp, userId = "member"): Promise<SignedInPerson> {
  return signedInPerson(app, userId, AccountKind.MEMBER);
}

/** A team's mailbox, worked by these people. Returns its key and its id. */
export async function createTeam(
  app: TestApp,
  name: string,
  members: readonly TestPerson[],
  role = HolderRole.WRITER,
): Promise<{ address: string; mailboxKey: string; mailboxId: string }> {
  const address = `${name}@insurer.example`;
  const mailboxKey = await openMailbox(app.ctx(), { address, kind: MailboxKind.TEAM, displayName: `Team ${name}` });
  for (const { accountId } of members) await letIn(app.ctx(), { mailboxId: mailboxKey, accountId, role });
  return { address, mailboxKey, mailboxId: encodeId("Mailbox", mailboxKey) };
}
