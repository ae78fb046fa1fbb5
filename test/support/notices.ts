import { randomBytes } from "node:crypto";
import { newId } from "../../src/ids.ts";
import { mailboxesFor } from "../../src/mailboxes/recipient-mailboxes.ts";
import type { TestApp } from "./app.ts";
import { sql } from "./sql.ts";

/** Puts down a notice to an address, as if a message had come for it, and returns the token of its link. */
export async function noticeFor(app: TestApp, address: string): Promise<string> {
  const ctx = app.ctx();
  const [mailbox] = await mailboxesFor(ctx, [address]);
  const token = randomBytes(16).toString("base64url");
  const now = app.clock.now();
  const hash = ctx.keyedHash.hash("notice-token", token);
  await sql(
    app,
    "insert into notices (id, kind, mailbox_id, message_id, reference, token_hash, mail_id, created_at) values ($1, 'message-waiting', $2, $3, $4, $5, $6, $7)",
    [newId(now), mailbox?.id, newId(now), randomBytes(8).toString("hex"), hash, newId(now), now],
  );
  return token;
}
