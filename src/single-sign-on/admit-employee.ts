import { Account, AccountKind, isEmployeeKind } from "../accounts/account.ts";
import { endAccess, endAccessOfRole } from "../accounts/end-access.ts";
import { otherAdministrators } from "../accounts/administrators.ts";
import { createAccount } from "../accounts/create-account.ts";
import type { OidcSettings, SamlSettings } from "../config.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { Language } from "../mailer/language.ts";
import { MailboxKind } from "../mailboxes/mailbox.ts";
import { letIn, openMailbox } from "../mailboxes/open-mailbox.ts";
import { Identity } from "./identity.ts";
import { admissionOf, type Claims, displayNameOf, type EntryRefusal } from "./single-sign-on-policy.ts";

/** Somebody whom the provider vouches for and who may not enter all the same. Thrown, so that nothing is changed. */
export class EntryRefused extends Error {
  constructor(readonly reason: EntryRefusal) {
    super(reason);
  }
}

/**
 * The account of whoever a provider vouches for, in the caller's transaction: found by the provider's subject, else linked
 * to the employee's account with this address, else made. Address, name and role follow the provider. A change of role
 * ends the account's sessions, so that none is ever more than it was begun as. Throws `EntryRefused`.
 */
export async function admitEmployee(ctx: Ctx, settings: OidcSettings | SamlSettings, claims: Claims): Promise<{ account: Account; identityId: string }> {
  const admission = admissionOf(claims, settings, ctx.config.organisation);
  if (typeof admission === "string") throw new EntryRefused(admission);
  const { address, role } = admission;
  await ctx.db.run(takeTurns, [claims.issuer, claims.subject]);
  let identity = await ctx.db.manager.findOneBy(Identity, { issuer: claims.issuer, subject: claims.subject });
  if (identity === null) {
    await ctx.db.run(takeTurns, ["address", address]);
    const account = (await accountToLink(ctx, claims, address)) ?? (await newEmployee(ctx, claims, address, role ?? AccountKind.EMPLOYEE));
    identity = await link(ctx, claims, account);
  }
  const account = await ctx.db.manager.findOneByOrFail(Account, { uuid: identity.accountId });
  account.directory = await ctx.dataKeys.directory();
  if (account.disabledAt !== null || !isEmployeeKind(account.kind)) throw new EntryRefused("ACCOUNT_DISABLED");
  if (account.address !== address) await followAddress(ctx, claims, account, address);
  if (role !== null && account.kind !== role) await changeRole(ctx, account, role);
  await followName(ctx, account, displayNameOf(claims, address));
  await ctx.db.manager.update(Identity, { uuid: identity.uuid }, { lastUsedAt: ctx.clock.now() });
  return { account, identityId: identity.uuid };
}

/** Takes what the provider no longer grants: the role, and all sessions, of somebody who lost the group that lets them in. */
export async function shutOut(ctx: Ctx, claims: Claims, settings: OidcSettings | SamlSettings): Promise<void> {
  const identity = await ctx.db.manager.findOneBy(Identity, { issuer: claims.issuer, subject: claims.subject });
  const account = identity && (await ctx.db.manager.findOneBy(Account, { uuid: identity.accountId }));
  if (!account) return;
  if (settings.adminGroup !== null && account.kind === AccountKind.ADMINISTRATOR) await changeRole(ctx, account, AccountKind.EMPLOYEE);
  await endAccess(ctx, account.uuid, { actorId: null, code: "SHUT_OUT" });
}

/**
 * The employee's account that has this address. One that is linked to somebody else at this provider is not: an address
 * that the organisation gives to a new person must not open the mailbox of the one before.
 */
async function accountToLink(ctx: Ctx, { issuer }: Claims, address: string): Promise<Account | null> {
  const account = await ctx.db.manager.findOneBy(Account, { address });
  if (account === null) return null;
  if (!isEmployeeKind(account.kind)) throw new EntryRefused("ADDRESS_TAKEN");
  if (account.disabledAt !== null) throw new EntryRefused("ACCOUNT_DISABLED");
  if (await ctx.db.manager.existsBy(Identity, { accountId: account.uuid, issuer })) throw new EntryRefused("ADDRESS_TAKEN");
  return account;
}

async function newEmployee(ctx: Ctx, claims: Claims, address: string, kind: AccountKind): Promise<Account> {
  await mustBeFree(ctx, address, null);
  const displayName = displayNameOf(claims, address);
  const userId = (await ctx.db.manager.existsBy(Account, { userId: address })) ? `${address}/${newId(ctx.clock.now())}` : address;
  const language = /^es\b/i.test(claims.locale ?? "") ? Language.ES : Language.EN;
  const account = await createAccount(ctx, { userId, password: null, kind, displayName, address, language });
  const mailboxId = await openMailbox(ctx, { address, kind: MailboxKind.PERSON, displayName });
  await letIn(ctx, { mailboxId, accountId: account.uuid });
  await record(ctx, { action: "account.created", actorId: null, subjectId: account.uuid, code: "SINGLE_SIGN_ON" });
  return account;
}

async function link(ctx: Ctx, { protocol, issuer, subject }: Claims, { uuid }: Account): Promise<Identity> {
  const now = ctx.clock.now();
  const identity = { uuid: newId(now), accountId: uuid, provider: protocol, issuer, subject, createdAt: now, lastUsedAt: now };
  await ctx.db.manager.insert(Identity, identity);
  await record(ctx, { action: "identity.linked", actorId: uuid, subjectId: uuid, code: protocol });
  return Object.assign(new Identity(), identity);
}

/** A second mailbox for the new address; the one before stays, with its mail. */
async function followAddress(ctx: Ctx, claims: Claims, account: Account, address: string): Promise<void> {
  await ctx.db.run(takeTurns, ["address", address]);
  if (await ctx.db.manager.existsBy(Account, { address })) throw new EntryRefused("ADDRESS_TAKEN");
  await mustBeFree(ctx, address, account.uuid);
  const mailboxId = await openMailbox(ctx, { address, kind: MailboxKind.PERSON, displayName: displayNameOf(claims, address) });
  await letIn(ctx, { mailboxId, accountId: account.uuid });
  await ctx.db.manager.update(Account, { uuid: account.uuid }, { address });
  account.address = address;
  await record(ctx, { action: "account.address-changed", actorId: account.uuid, subjectId: account.uuid });
}

async function changeRole(ctx: Ctx, account: Account, kind: AccountKind): Promise<void> {
  if (account.kind === AccountKind.ADMINISTRATOR && !(await otherAdministrators(ctx, account.uuid))) {
    await record(ctx, { action: "account.kind-kept", actorId: null, subjectId: account.uuid });
    return; // Nobody could administer any more: the provider's groups are mended first
  }
  await ctx.db.manager.update(Account, { uuid: account.uuid }, { kind });
  account.kind = kind;
  await record(ctx, { action: "account.kind-changed", actorId: null, subjectId: account.uuid, code: kind });
  await endAccessOfRole(ctx, account.uuid, { actorId: null, code: "ROLE_CHANGED" });
}

async function followName(ctx: Ctx, account: Account, displayName: string): Promise<void> {
  if (account.displayName === displayName) return;
  account.name = account.directory.seal({ id: account.uuid, field: "name" }, displayName);
  await ctx.db.manager.update(Account, { uuid: account.uuid }, { name: account.name });
  await openMailbox(ctx, { address: account.address, kind: MailboxKind.PERSON, displayName });
}

/** A team's address, and a mailbox that somebody else holds, are not to be had by a provider's word. */
async function mustBeFree(ctx: Ctx, address: string, accountId: string | null): Promise<void> {
  const taken = await ctx.db.run(mailboxTaken, [address, MailboxKind.TEAM, accountId]);
  if (taken.length > 0) throw new EntryRefused("ADDRESS_TAKEN");
}

/** Two first sign-ins at once make one account. Held until the transaction ends. */
const takeTurns = statement("single-sign-on-turn", "select pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0)) is null as free");

const mailboxTaken = statement<{ id: string }>(
  "single-sign-on-mailbox-taken",
  `select id from mailboxes m where address = $1
   and (kind = $2 or exists (select from mailbox_holders h where h.mailbox_id = m.id and h.account_id is distinct from $3))`,
);
