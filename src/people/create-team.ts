import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { record } from "../ledger/record.ts";
import { isEmployeeAddress, parseAddress } from "../mailboxes/address.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { takenAddresses } from "./add-employees.ts";
import { mustBeDisplayName } from "./invite-employee.ts";
import { findTeam } from "./team-queries.ts";
import type { Team } from "./team.ts";

/** Opens a team's mailbox. Mail that came to its address before is in it. */
export async function createTeam(ctx: ViewerCtx, input: { address: string; displayName: string }): Promise<Team> {
  const address = parseAddress(input.address);
  if (address === null)
    refuse(ProblemCode.INVALID_ADDRESS, "This address cannot receive mail as written. Write it like name@domain.example.", { field: "address" });
  if (!isEmployeeAddress(address, ctx.config.organisation))
    refuse(ProblemCode.INVALID_INPUT, "Teams have an address at one of the organisation's own domains.", { field: "address" });
  const displayName = mustBeDisplayName(input.displayName);
  const directory = await ctx.dataKeys.directory();
  const now = ctx.clock.now();
  const mailboxId = await inTransaction(ctx, async (ctx) => {
    const [taken] = await takenAddresses(ctx, [address]);
    // Locks the mailbox, so that whoever invites somebody to this address goes before or after.
    const [mailbox] = taken ? [] : await ctx.db.run(openTeam, [newId(now), address, now]);
    // What somebody else had not committed when we looked, shows only once the lock is ours.
    const isTaken = mailbox === undefined || (await ctx.db.run(heldByNow, [mailbox.id])).length > 0;
    if (isTaken) refuse(ProblemCode.ADDRESS_TAKEN, "This address belongs to an account or a team already.", { field: "address" });
    await ctx.db.run(nameTeam, [mailbox.id, directory.seal({ id: mailbox.id, field: "name" }, displayName)]);
    await record(ctx, { action: "team.created", subjectId: mailbox.id });
    return mailbox.id;
  });
  return findTeam(ctx, mailboxId);
}

const openTeam = statement<{ id: string }>(
  "team-open",
  `insert into mailboxes (id, address, kind, created_at) values ($1, $2, 'TEAM', $3)
   on conflict (address) do update set kind = 'TEAM'
     where mailboxes.kind = 'PERSON' and not exists (select from mailbox_holders h where h.mailbox_id = mailboxes.id)
   returning id`,
);

const heldByNow = statement<{ id: string }>("team-held-by", "select account_id as id from mailbox_holders where mailbox_id = $1 limit 1");

const nameTeam = statement("team-name", "update mailboxes set name = $2 where id = $1");
