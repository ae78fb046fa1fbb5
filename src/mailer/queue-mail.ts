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
  /** When it is of no use any more, such as a code's end: it is not sent after that. Left out, it is tried for three days. */
  readonly until?: Date;
}

/**
 * Queues a mail in the caller's transaction and returns its id; its Message-ID follows from that and never changes. The
 * event that the caller records about what happened must be one that `reactions.ts` answers with `send-mails`.
 */
export async function queueMail<Kind extends MailKind>(ctx: Ctx, { kind, address, language, data, phrase, until }: OutgoingMail<Kind>): Promise<string> {
  const now = ctx.clock.now();
  const id = newId(now);
  const key = await ctx.dataKeys.ofDay(now);
  const sealedPhrase = phrase ? key.seal({ id, field: "phrase" }, phrase) : null;
  await ctx.db.run(insertMail, [id, kind, address, language, key.seal<MailData[Kind]>({ id, field: "mail" }, data), now, sealedPhrase, until ?? null]);
  return id;
}

const insertMail = statement(
  "mail-queue",
  "insert into mails (id, kind, address, language, data, created_at, next_at, phrase, until) values ($1, $2, $3, $4, $5, $6, $6, $7, $8)",
);
