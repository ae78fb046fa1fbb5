import type { AccountKind } from "../accounts/account.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { MailboxKind } from "../mailboxes/mailbox.ts";
import { HolderRole } from "../mailboxes/mailbox-holder.ts";
import type { Language } from "../mailer/language.ts";
import { queueMail } from "../mailer/queue-mail.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { INVITATION_DAYS, issueInvitations, placeholderUserId } from "./invitation.ts";

/** Somebody who shall work with us, checked already. */
export interface NewEmployee {
  readonly address: string;
  readonly displayName: string;
  readonly kind: AccountKind;
  readonly language: Language;
  /** Left out for whoever chooses one with the invitation. */
  readonly userId?: string;
}

/** An account that was made, and what its invitation's link carries. */
export interface Invited {
  readonly accountId: string;
  readonly address: string;
  readonly token: string;
}

/** Whom an address belongs to already. */
export interface TakenAddress {
  readonly address: string;
  /** A team's, and so no person's; otherwise somebody has it. */
  readonly isTeam: boolean;
}

/** Which of these addresses cannot be given to somebody new: those of an account, of a team, or of a mailbox that somebody reads. */
export async function takenAddresses(ctx: Ctx, addresses: readonly string[]): Promise<TakenAddress[]> {
  return ctx.db.run(findTaken, [addresses]);
}

/**
 * Makes accounts without a password, each with its mailbox and an invitation, in the caller's transaction and in a few
 * statements for all. Whoever has an account by now is left out. Their mail is queued by `mailInvitation`.
 */
export async function addEmployees(ctx: Ctx, employees: readonly NewEmployee[]): Promise<Invited[]> {
  const now = ctx.clock.now();
  const directory = await ctx.dataKeys.directory();
  const wanted = employees.map((employee) => ({ ...employee, id: newId(now) })).sort((a, b) => (a.address < b.address ? -1 : 1));
  const made = new Set(
    (
      await ctx.db.run(insertAccounts, [
        wanted.map(({ id }) => id),
        wanted.map(({ id, userId }) => userId ?? placeholderUserId(id)),
        wanted.map(({ kind }) => kind),
        wanted.map(({ id, displayName }) => directory.seal({ id, field: "name" }, displayName)),
        wanted.map(({ address }) => address),
        wanted.map(({ language }) => language),
        now,
      ])
    ).map(({ id }) => id),
  );
  const added = wanted.filter(({ id }) => made.has(id));
  if (added.length === 0) return [];
  const addresses = added.map(({ address }) => address);
  await ctx.db.run(insertMailboxes, [added.map(() => newId(now)), addresses, MailboxKind.PERSON, now]);
  const mailboxes = new Map((await ctx.db.run(freeMailboxes, [addresses])).map(({ id, address }) => [address, id]));
  const homes = added.map(({ id, address, displayName }) => {
    const mailboxId = mailboxes.get(address);
    if (mailboxId === undefined) refuse(ProblemCode.ADDRESS_TAKEN, "An address became a team's meanwhile. Try again.", { field: "address" });
    return { accountId: id, mailboxId, name: directory.seal({ id: mailboxId, field: "name" }, displayName) };
  });
  const mailboxIds = homes.map(({ mailboxId }) => mailboxId);
  await ctx.db.run(nameMailboxes, [mailboxIds, homes.map(({ name }) => name)]);
  await ctx.db.run(insertHolders, [mailboxIds, homes.map(({ accountId }) => accountId), HolderRole.OWNER, ctx.viewer?.accountId ?? null, now]);
  const tokens = await issueInvitations(
    ctx,
    added.map(({ id }) => id),
  );
  await record(ctx, ...added.map(({ id, kind }) => ({ action: "invitation.sent" as const, subjectId: id, code: kind })));
  return added.map(({ id, address }, n) => ({ accountId: id, address, token: tokens[n] ?? "" }));
}

/** Queues an invitation's mail, in the caller's transaction. */
export async function mailInvitation(ctx: Ctx, { address, language, token }: { address: string; language: Language; token: string }): Promise<void> {
  await queueMail(ctx, { kind: "invitation", address, language, data: { token, days: INVITATION_DAYS } });
}

const findTaken = statement<{ address: string; isTeam: boolean }>(
  "people-taken-addresses",
  `select wanted.address, m.kind is not distinct from 'TEAM' as "isTeam"
   from unnest($1::text[]) as wanted (address) left join mailboxes m on m.address = wanted.address
   where m.kind = 'TEAM' or exists (select from accounts a where a.address = wanted.address)
     or exists (select from mailbox_holders h where h.mailbox_id = m.id)`,
);

const insertAccounts = statement<{ id: string }>(
  "people-insert-accounts",
  `insert into accounts (id, user_id, kind, name, address, language, created_at)
   select *, $7 from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[])
   on conflict (address) do nothing returning id`,
);

const insertMailboxes = statement(
  "people-insert-mailboxes",
  `insert into mailboxes (id, address, kind, created_at)
   select id, address, $3, $4 from unnest($1::uuid[], $2::text[]) as home (id, address) on conflict (address) do nothing`,
);

// Locked, so that none becomes a team's or somebody else's until we have committed.
const freeMailboxes = statement<{ id: string; address: string }>(
  "people-free-mailboxes",
  `select m.id, m.address from mailboxes m
   where m.address = any ($1::text[]) and m.kind = 'PERSON' and not exists (select from mailbox_holders h where h.mailbox_id = m.id)
   order by m.id for no key update of m`,
);

const nameMailboxes = statement(
  "people-name-mailboxes",
  "update mailboxes m set name = given.name from unnest($1::uuid[], $2::bytea[]) as given (id, name) where m.id = given.id",
);

const insertHolders = statement(
  "people-insert-holders",
  `insert into mailbox_holders (mailbox_id, account_id, role, granted_by, created_at)
   select mailbox_id, account_id, $3, $4, $5 from unnest($1::uuid[], $2::uuid[]) as home (mailbox_id, account_id)`,
);
