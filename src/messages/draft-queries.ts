import { type Ctx, Loader, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { type Connection, connection, type ConnectionArgs, decodeCursor, encodeCursor, pageRequest } from "../graphql/connection.ts";
import type { OwnedId } from "../graphql/node-id.ts";
import type { Mailbox } from "../mailboxes/mailbox.ts";
import { notFound } from "../problem.ts";
import { Draft } from "./draft.ts";

type DraftRow = Pick<Draft, "mailboxId" | "uuid" | "authorId" | "replyToId" | "forwardOfId" | "createdAt" | "savedAt" | "expiresAt" | "content">;

/** A draft in one of the viewer's mailboxes; anything else is NOT_FOUND. */
export async function findOwnDraft(ctx: ViewerCtx, id: OwnedId, field = "id"): Promise<Draft> {
  return (await ownDraftById.load(ctx, id)) ?? notFound(field);
}

/** The key of a draft that a message from this mailbox consumes, checked to be there; null stays null. */
export async function ownedDraftId(ctx: ViewerCtx, mailboxId: string, draftId: string | null): Promise<string | null> {
  if (draftId !== null) await findOwnDraft(ctx, { mailboxId, uuid: draftId }, "draftId");
  return draftId;
}

/** Drafts by id, loaded through the viewer; undefined for what is not theirs. */
export const ownDraftById = new Loader<OwnedId, Draft | undefined>(
  async (ctx, ids) => {
    const rows = await ctx.db.run(ownDrafts, [ids.map(({ mailboxId }) => mailboxId), ids.map(({ uuid }) => uuid), ctx.viewer?.accountId, ctx.clock.now()]);
    const found = new Map((await toDrafts(ctx, rows)).map((draft) => [`${draft.mailboxId} ${draft.uuid}`, draft]));
    return ids.map(({ mailboxId, uuid }) => found.get(`${mailboxId} ${uuid}`));
  },
  ({ mailboxId, uuid }) => `${mailboxId} ${uuid}`,
);

/** Form of a cursor that is an instant in milliseconds and a UUID. */
export const DRAFT_CURSOR_FORM = /^\d{1,14} [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A page of a mailbox's drafts, last saved first. The mailbox was loaded through the viewer. */
export async function draftPage(ctx: ViewerCtx, mailbox: Mailbox, args: ConnectionArgs): Promise<Connection<Draft>> {
  const page = pageRequest(args, ctx.config.limits);
  const place = (cursor: string | null, field: string): [Date | null, string | null] => {
    if (cursor === null) return [null, null];
    const [savedAt, uuid] = decodeCursor("draft", cursor, field, DRAFT_CURSOR_FORM);
    return [new Date(Number(savedAt)), uuid ?? null];
  };
  const values = [mailbox.uuid, ctx.clock.now(), ...place(page.after, "after"), ...place(page.before, "before"), page.size + 1];
  const rows = await ctx.db.run(page.backwards ? draftsBackwards : draftsForwards, values);
  return connection(await toDrafts(ctx, rows), page, (draft) => encodeCursor("draft", draft.savedAt.getTime(), draft.uuid));
}

async function toDrafts(ctx: Ctx, rows: readonly DraftRow[]): Promise<Draft[]> {
  const opener = await ctx.dataKeys.forSealed(rows.map(({ content }) => content));
  return rows.map((row) => Object.assign(new Draft(), row, { opener }));
}

const columns = `d.mailbox_id as "mailboxId", d.id as uuid, d.author_id as "authorId", d.reply_to as "replyToId", d.forward_of as "forwardOfId",
  d.created_at as "createdAt", d.saved_at as "savedAt", d.expires_at as "expiresAt", d.content`;

const ownDrafts = statement<DraftRow>(
  "drafts-own",
  `select ${columns} from unnest($1::uuid[], $2::uuid[]) as wanted (mailbox_id, id)
   join drafts d on d.mailbox_id = wanted.mailbox_id and d.id = wanted.id
   join mailbox_holders h on h.mailbox_id = d.mailbox_id and h.account_id = $3 and (h.ends_at is null or h.ends_at > $4)
   where d.expires_at > $4`,
);

const draftsOfMailbox = (direction: "asc" | "desc"): string =>
  `select ${columns} from drafts d where d.mailbox_id = $1 and d.expires_at > $2
     and ($3::timestamptz is null or (d.saved_at, d.id) < ($3, $4::uuid)) and ($5::timestamptz is null or (d.saved_at, d.id) > ($5, $6::uuid))
   order by d.saved_at ${direction}, d.id ${direction} limit $7`;

const draftsForwards = statement<DraftRow>("drafts-forwards", draftsOfMailbox("desc"));
const draftsBackwards = statement<DraftRow>("drafts-backwards", draftsOfMailbox("asc"));
