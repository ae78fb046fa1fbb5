import { Loader, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { type Connection, connection, decodeCursor, encodeCursor, pageRequest } from "../graphql/connection.ts";
import { record } from "../ledger/record.ts";
import type { HolderRole } from "../mailboxes/mailbox-holder.ts";
import { notFound } from "../problem.ts";
import type { ForwardPage } from "./people-queries.ts";
import { Team, TeamMember } from "./team.ts";

/** How many people work one team's mailbox at most. */
export const MAX_TEAM_MEMBERS = 100;

/** A page of teams in the order of their addresses, for an administrator. Recorded before it is answered. */
export async function teamsPage(ctx: ViewerCtx, args: ForwardPage): Promise<Connection<Team>> {
  const page = pageRequest(args, ctx.config.limits);
  const [after = ""] = page.after === null ? [] : decodeCursor("teams", page.after, "after", /^\S{1,254}$/);
  const rows = await ctx.db.run(teamsAfter, [after, page.size + 1]);
  const directory = await ctx.dataKeys.directory();
  await record(ctx, { action: "people.viewed" });
  return connection(
    rows.map((row) => Object.assign(new Team(), row, { directory })),
    page,
    ({ address }) => encodeCursor("teams", address),
  );
}

/** A team by its mailbox's key; refuses every mailbox that is not a team's. */
export async function findTeam(ctx: ViewerCtx, mailboxId: string): Promise<Team> {
  const [row] = await ctx.db.run(teamByKey, [mailboxId]);
  if (row === undefined) notFound("mailboxId");
  return Object.assign(new Team(), row, { directory: await ctx.dataKeys.directory() });
}

/** Who works a team's mailbox today, in the order of their ids. */
export const membersOfTeam = new Loader<string, TeamMember[]>(async (ctx, mailboxIds) => {
  const rows = await ctx.db.run(members, [mailboxIds, ctx.clock.now(), MAX_TEAM_MEMBERS]);
  const found = Map.groupBy(rows, ({ mailboxId }) => mailboxId);
  return mailboxIds.map((id) => (found.get(id) ?? []).map(({ accountId, role, until }) => Object.assign(new TeamMember(), { accountId, role, until })));
});

type TeamRow = Pick<Team, "uuid" | "address" | "name">;

const teamsAfter = statement<TeamRow>(
  "teams-after",
  `select id as uuid, address, name from mailboxes where kind = 'TEAM' and address collate "C" > $1 order by address collate "C" limit $2`,
);

const teamByKey = statement<TeamRow>("team-by-key", "select id as uuid, address, name from mailboxes where id = $1 and kind = 'TEAM'");

const members = statement<{ mailboxId: string; accountId: string; role: HolderRole; until: Date | null }>(
  "team-members",
  `select h.mailbox_id as "mailboxId", h.account_id as "accountId", h.role, h.ends_at as until
   from unnest($1::uuid[]) as wanted (id) cross join lateral (
     select * from mailbox_holders where mailbox_id = wanted.id and (ends_at is null or ends_at > $2) order by account_id limit $3
   ) h`,
);
