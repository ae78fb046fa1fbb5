import { Account, type AccountKind } from "../accounts/account.ts";
import type { ViewerCtx } from "../context.ts";
import { type Statement, statement } from "../db/database.ts";
import { type Connection, connection, decodeCursor, encodeCursor, pageRequest } from "../graphql/connection.ts";
import { record } from "../ledger/record.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { AccountState, isPending } from "./account-state.ts";

/** Whom to list; all conditions hold together. */
export interface PeopleQuery {
  readonly query?: string | null;
  readonly kind?: AccountKind | null;
  readonly state?: AccountState | null;
}

/** Which way a page of people goes: only ever forwards. */
export interface ForwardPage {
  readonly first?: number | null;
  readonly after?: string | null;
}

const MAX_QUERY_LENGTH = 254;

/**
 * A page of people in the order of their addresses, for an administrator; where a query is given first those whose address
 * begins with it, then those whose user ID does. That it was looked at is recorded before it is answered.
 */
export async function peoplePage(ctx: ViewerCtx, wanted: PeopleQuery, args: ForwardPage): Promise<Connection<Account>> {
  const page = pageRequest(args, ctx.config.limits);
  const prefix = (wanted.query ?? "").trim().toLowerCase();
  if (prefix.length > MAX_QUERY_LENGTH || prefix.includes("\0"))
    refuse(ProblemCode.INVALID_INPUT, "Search for the beginning of an address or of a user ID.", { field: "query" });
  const [stream = "address", after = ""] = page.after === null ? [] : decodeCursor("people", page.after, "after", /^(address|user) [\w-]{1,2000}$/);
  const found: { account: Account; cursor: string }[] = [];
  const take = async (by: Stream, from: string): Promise<void> => {
    const rows = await ctx.db.run(pageStatement(by, wanted), [
      prefix,
      afterLast(prefix),
      from,
      page.size + 1 - found.length,
      ...(wanted.kind ? [wanted.kind] : []),
    ]);
    for (const row of rows) {
      const account = Object.assign(new Account(), row);
      found.push({ account, cursor: encodeCursor("people", by, Buffer.from(by === "address" ? account.address : account.userId).toString("base64url")) });
    }
  };
  const last = Buffer.from(after, "base64url").toString().replaceAll("\0", "");
  if (stream === "address") await take("address", last);
  if (prefix !== "" && found.length <= page.size) await take("user", stream === "user" ? last : "");
  const directory = await ctx.dataKeys.directory();
  for (const { account } of found) account.directory = directory;
  await record(ctx, { action: "people.viewed" });
  const { edges, pageInfo } = connection(found, page, ({ cursor }) => cursor);
  return { edges: edges.map(({ cursor, node: { account } }) => ({ cursor, node: account })), pageInfo };
}

/** What stands behind everything that begins so, in the order of bytes. */
export function afterLast(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

type Stream = "address" | "user";
type AccountRow = Omit<Account, "id" | "directory" | "displayName">;

const pageStatements = new Map<string, Statement<AccountRow>>();

/** The statement for these conditions: few shapes exist, so each is prepared once. Each is a range of one index in its order. */
function pageStatement(by: Stream, { kind, state }: PeopleQuery): Statement<AccountRow> {
  const name = `people-by-${by}${kind ? "-kind" : ""}-${state?.toLowerCase() ?? "any"}`;
  const known = pageStatements.get(name);
  if (known) return known;
  const column = (by === "address" ? "a.address" : "a.user_id") + ' collate "C"';
  const conditions = [
    `${column} >= $1 and ${column} < $2 and ${column} > $3`,
    ...(by === "user" ? [`not (a.address collate "C" >= $1 and a.address collate "C" < $2)`] : []),
    ...(kind ? ["a.kind = $5"] : []),
    ...(state ? [inState[state]] : []),
  ];
  const made = statement<AccountRow>(
    name,
    `select a.id as uuid, a.user_id as "userId", a.password_hash as "passwordHash", a.kind, a.name, a.address, a.language, a.phrase, a.created_at as "createdAt",
       a.last_signed_in_at as "lastSignedInAt", a.disabled_at as "disabledAt"
     from accounts a where ${conditions.join(" and ")} order by ${column} limit $4`,
  );
  pageStatements.set(name, made);
  return made;
}

const pending = `exists (select from invitations i where i.account_id = a.id and ${isPending})`;
const inState: Record<AccountState, string> = {
  [AccountState.DISABLED]: "a.disabled_at is not null",
  [AccountState.INVITED]: `a.disabled_at is null and ${pending}`,
  [AccountState.ACTIVE]: `a.disabled_at is null and not ${pending}`,
};
