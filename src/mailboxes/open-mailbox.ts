import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import type { MailboxKind } from "./mailbox.ts";
import { HolderRole, MailboxHolder } from "./mailbox-holder.ts";

/** Opens a mailbox for an address and returns its key; one that was waiting for its owner is taken over with its mail. */
export async function openMailbox(ctx: Ctx, { address, kind, displayName }: { address: string; kind: MailboxKind; displayName: string }): Promise<string> {
  const now = ctx.clock.now();
  const directory = await ctx.dataKeys.directory();
  const { id } = await ctx.db.one(openOrTakeOver, [newId(now), address, kind, now]);
  await ctx.db.run(setName, [id, directory.seal({ id, field: "name" }, displayName)]);
  return id;
}

/** Lets an account into a mailbox, for good or until an instant, or changes what it may do there. */
export async function letIn(
  ctx: Ctx,
  { mailboxId, accountId, role = HolderRole.OWNER, endsAt = null }: { mailboxId: string; accountId: string; role?: HolderRole; endsAt?: Date | null },
): Promise<void> {
  const holder = { mailboxId, accountId, role, grantedBy: ctx.viewer?.accountId ?? null, createdAt: ctx.clock.now(), endsAt };
  await ctx.db.manager.upsert(MailboxHolder, holder, ["mailboxId", "accountId"]);
}

const openOrTakeOver = statement<{ id: string }>(
  "mailbox-open",
  `insert into mailboxes (id, address, kind, created_at) values ($1, $2, $3, $4)
   on conflict (address) do update set kind = excluded.kind returning id`,
);

// The name is sealed for the mailbox that the address turns out to have.
const setName = statement("mailbox-set-name", "update mailboxes set name = $2 where id = $1");
