import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import type { Language } from "./language.ts";
import type { MailData, MailKind } from "./mail-kinds.ts";

/** An ordinary e-mail to be sent. */
export interface OutgoingMail<Kind extends MailKind> {
  readonly kind: Kind;
  /** As `parseAddress` returned it. */
  readonly address: string;
  readonly language: Language;
  readonly data: MailData[Kind];
  /** The words that the reader chose to know our mail by; they stand at its head. */
  readonly phrase?: string | null;
}

/**
 * Queues a mail in the caller's transaction and returns its id; its Message-ID follows from that and never changes. The
 * event that the caller records about what happened must be one that `reactions.ts` answers with `send-mails`.
 */
export async function queueMail<Kind extends MailKind>(ctx: Ctx, { kind, address, language, data, phrase }: OutgoingMail<Kind>): Promise<string> {
  const now = ctx.clock.now();
  const id = newId(now);
  const key = await ctx.dataKeys.ofDay(now);
  await ctx.db.run(insertMail, [id, kind, address, language, key.seal<MailData[Kind]>({ id, field: "mail" }, phrase ? { ...data, phrase } : data), now]);
  return id;
}

const insertMail = statement("mail-queue", "insert into mails (id, kind, address, language, data, created_at, next_at) values ($1, $2, $3, $4, $5, $6, $6)");
