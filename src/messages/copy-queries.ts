import { type Ctx, Loader, type ViewerCtx } from "../context.ts";
import { type Statement, statement } from "../db/database.ts";
import { type Connection, connection, type ConnectionArgs, decodeCursor, encodeCursor, pageRequest, UUID_FORM } from "../graphql/connection.ts";
import type { OwnedId } from "../graphql/node-id.ts";
import { firstIdAt } from "../ids.ts";
import type { Mailbox } from "../mailboxes/mailbox.ts";
import { parseAddress } from "../mailboxes/address.ts";
import { notFound } from "../problem.ts";
import { Copy, type Folder } from "./copy.ts";
import { type Priority, priorities } from "./message.ts";
import type { MessageFilter } from "./message-filter.ts";
import type { Thread } from "./thread.ts";

export type CopyRow = Pick<
  Copy,
  | "mailboxId"
  | "uuid"
  | "messageId"
  | "threadId"
  | "fromMailboxId"
  | "folder"
  | "priorityRank"
  | "attachmentCount"
  | "openedAt"
  | "readAt"
  | "flaggedAt"
  | "sentAt"
  | "expiresAt"
  | "heldUntil"
  | "header"
>;

/** The columns of a copy, for any statement that returns one. */
export const copyColumns = `c.mailbox_id as "mailboxId", c.id as uuid, c.message_id as "messageId", c.thread_id as "threadId", c.from_mailbox_id as "fromMailboxId",
  c.folder, c.priority as "priorityRank", c.attachment_count as "attachmentCount", c.opened_at as "openedAt", c.read_at as "readAt", c.flagged_at as "flaggedAt",
  c.sent_at as "sentAt", c.expires_at as "expiresAt", c.held_until as "heldUntil", c.header`;

/** Makes copies of rows, with the keys to read them. */
export async function toCopies(ctx: Ctx, rows: readonly CopyRow[]): Promise<Copy[]> {
  const opener = await ctx.dataKeys.forSealed(rows.map(({ header }) => header));
  const mayBeOpened = ctx.selects.has("Message.body");
  return rows.map((row) => Object.assign(new Copy(), row, { opener, mayBeOpened }));
}

/** A copy in one of the viewer's mailboxes; what they do not hold, has expired or never was is NOT_FOUND alike. */
export async function findOwnCopy(ctx: ViewerCtx, id: OwnedId, field = "id"): Promise<Copy> {
  return (await ownCopyById.load(ctx, id)) ?? notFound(field);
}

/** Several copies, all or nothing: NOT_FOUND if one of them is not the viewer's. Each is returned once. */
export async function findOwnCopies(ctx: ViewerCtx, ids: readonly OwnedId[], field: string): Promise<Copy[]> {
  const copies = await Promise.all(ids.map((id) => findOwnCopy(ctx, id, field)));
  return [...new Map(copies.map((copy) => [copy.uuid, copy])).values()];
}

/** Copies by id, loaded through the viewer; undefined for what is not theirs. */
export const ownCopyById = new Loader<OwnedId, Copy | undefined>(
  async (ctx, ids) => {
    const rows = await ctx.db.run(ownCopies, [ids.map(({ mailboxId }) => mailboxId), ids.map(({ uuid }) => uuid), ctx.viewer?.accountId, ctx.clock.now()]);
    const found = new Map((await toCopies(ctx, rows)).map((copy) => [copy.uuid, copy]));
    return ids.map(({ mailboxId, uuid }) => {
      const copy = found.get(uuid);
      return copy?.mailboxId === mailboxId ? copy : undefined;
    });
  },
  ({ mailboxId, uuid }) => `${mailboxId} ${uuid}`,
);

/** A mailbox's own copy of a message, by the message's key; the received one where it has two. Ask only for mailboxes the viewer holds. */
export const copyOfMessage = new Loader<OwnedId, Copy | undefined>(
  async (ctx, ids) => {
    const rows = await ctx.db.run(copiesOfMessages, [ids.map(({ mailboxId }) => mailboxId), ids.map(({ uuid }) => uuid), ctx.clock.now()]);
    const found = new Map((await toCopies(ctx, rows)).map((copy) => [`${copy.mailboxId} ${copy.messageId}`, copy]));
    return ids.map(({ mailboxId, uuid }) => found.get(`${mailboxId} ${uuid}`));
  },
  ({ mailboxId, uuid }) => `${mailboxId} ${uuid}`,
);

/** A page of one folder, newest first: one statement along one index. The mailbox was loaded through the viewer. */
export async function folderPage(
  ctx: ViewerCtx,
  mailbox: Mailbox,
  folder: Folder,
  filter: MessageFilter | null | undefined,
  args: ConnectionArgs,
): Promise<Connection<Copy>> {
  const page = pageRequest(args, ctx.config.limits);
  const query = new PageQuery(["c.mailbox_id = ?", "c.folder = ?"], "desc", [mailbox.uuid, folder], ctx.clock.now());
  query.filter(filter);
  return query.run(ctx, "message", page);
}

/** A page of a thread, oldest first, over all folders of its mailbox; empty if the viewer does not hold that. */
export async function threadPage(ctx: ViewerCtx, thread: Thread, args: ConnectionArgs): Promise<Connection<Copy>> {
  const page = pageRequest(args, ctx.config.limits);
  return new PageQuery(["c.mailbox_id = ?", "c.thread_id = ?"], "asc", [thread.mailboxId, thread.uuid], ctx.clock.now()).run(ctx, "thread", page);
}

/** Some copies by id, and which of them are asked for. */
export interface Among {
  readonly ids: readonly string[];
  readonly folders: readonly Folder[];
  readonly filter: MessageFilter | null | undefined;
  readonly atMost: number;
}

/** Those of these copies that are live, lie in one of the folders and pass the filter, newest first. The mailbox was loaded through the viewer. */
export async function copiesAmong(ctx: ViewerCtx, mailbox: Mailbox, { ids, folders, filter, atMost }: Among): Promise<Copy[]> {
  const conditions = ["c.mailbox_id = ?", "c.id = any (?::uuid[])", "c.folder = any (?::text[])"];
  const query = new PageQuery(conditions, "desc", [mailbox.uuid, ids, folders], ctx.clock.now());
  query.filter(filter);
  return query.copies(ctx, "desc", atMost);
}

/** Builds the keyset statement of a page: the same filters give the same text, so each shape is prepared once. */
class PageQuery {
  readonly #conditions: string[] = [];
  readonly #values: unknown[] = [];

  constructor(
    keys: readonly string[],
    private readonly order: "asc" | "desc",
    values: readonly unknown[],
    now: Date,
  ) {
    for (const [n, key] of keys.entries()) this.#where(key, values[n]);
    this.#where("c.expires_at > ?", now);
  }

  filter(filter: MessageFilter | null | undefined): void {
    if (!filter) return;
    const { unread, flagged, hasAttachments, priority, from, since, until } = filter;
    if (unread != null) this.#where(`c.read_at is ${unread ? "" : "not "}null`);
    if (flagged != null) this.#where(`c.flagged_at is ${flagged ? "not " : ""}null`);
    if (hasAttachments != null) this.#where(`c.attachment_count ${hasAttachments ? ">" : "="} 0`);
    if (priority != null)
      this.#where(
        "c.priority = any (?::smallint[])",
        priority.map((value: Priority) => priorities.indexOf(value)),
      );
    if (from != null) this.#where("c.from_mailbox_id = (select id from mailboxes where address = ?)", parseAddress(from) ?? "");
    if (since != null) this.#where("c.id >= ?", firstIdAt(since));
    if (until != null) this.#where("c.id < ?", firstIdAt(until));
  }

  async run(ctx: Ctx, cursorKind: string, page: ReturnType<typeof pageRequest>): Promise<Connection<Copy>> {
    const descending = (this.order === "desc") !== page.backwards;
    if (page.after !== null) this.#where(`c.id ${this.order === "desc" ? "<" : ">"} ?`, decodeCursor(cursorKind, page.after, "after", UUID_FORM)[0]);
    if (page.before !== null) this.#where(`c.id ${this.order === "desc" ? ">" : "<"} ?`, decodeCursor(cursorKind, page.before, "before", UUID_FORM)[0]);
    return connection(await this.copies(ctx, descending ? "desc" : "asc", page.size + 1), page, (copy) => encodeCursor(cursorKind, copy.uuid));
  }

  async copies(ctx: Ctx, direction: "asc" | "desc", atMost: number): Promise<Copy[]> {
    const values = [...this.#values, atMost];
    const text = `select ${copyColumns} from copies c where ${this.#conditions.join(" and ")} order by c.id ${direction} limit $${values.length}`;
    return toCopies(ctx, await ctx.db.run(pageStatement(text), values));
  }

  #where(condition: string, ...values: unknown[]): void {
    this.#values.push(...values);
    this.#conditions.push(condition.replace("?", `$${this.#values.length}`));
  }
}

const pageStatements = new Map<string, Statement<CopyRow>>();

/** The statement with this text: few shapes exist, so each gets a number for its name and is prepared once. */
function pageStatement(text: string): Statement<CopyRow> {
  const known = pageStatements.get(text);
  if (known) return known;
  const made = statement<CopyRow>(`copies-page-${pageStatements.size}`, text);
  pageStatements.set(text, made);
  return made;
}

const ownCopies = statement<CopyRow>(
  "copies-own",
  `select ${copyColumns} from unnest($1::uuid[], $2::uuid[]) as wanted (mailbox_id, id)
   join copies c on c.mailbox_id = wanted.mailbox_id and c.id = wanted.id
   join mailbox_holders h on h.mailbox_id = c.mailbox_id and h.account_id = $3 and (h.ends_at is null or h.ends_at > $4)
   where c.expires_at > $4`,
);

const copiesOfMessages = statement<CopyRow>(
  "copies-of-messages",
  `select ${copyColumns} from unnest($1::uuid[], $2::uuid[]) as wanted (mailbox_id, message_id)
   join copies c on c.message_id = wanted.message_id and c.mailbox_id = wanted.mailbox_id
   where c.expires_at > $3 order by c.folder = 'SENT' desc`,
);
