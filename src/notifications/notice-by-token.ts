import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";

/** What the link of a notice says: which mailbox, at which address, it was sent to. */
export interface LinkedNotice {
  readonly id: string;
  readonly mailboxId: string;
  readonly address: string;
  readonly createdAt: Date;
}

const TOKEN_FORM = /^[\w-]{22}$/; // 128 bits in base64url

/** The notice whose link carries this token; null if there is none. */
export async function noticeByToken({ db, keyedHash }: Ctx, token: string): Promise<LinkedNotice | null> {
  if (!TOKEN_FORM.test(token)) return null;
  const [notice] = await db.run(byToken, [keyedHash.hash("notice-token", token)]);
  return notice ?? null;
}

const byToken = statement<LinkedNotice>(
  "notice-by-token",
  `select n.id, n.mailbox_id as "mailboxId", m.address, n.created_at as "createdAt"
   from notices n join mailboxes m on m.id = n.mailbox_id where n.token_hash = $1`,
);
