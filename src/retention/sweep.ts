import { releaseAttachments, removeReleasedBlobs, sweepUploads } from "../attachments/release-attachments.ts";
import { sweepDevices } from "../accounts/revoke-device.ts";
import { sweepSignInCodes } from "../accounts/sign-in-with-code.ts";
import { sweepAttempts } from "../accounts/throttle.ts";
import { before, DAY, HOUR } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { sweepChallenges, sweepTotpSetups } from "../factors/sweep-factors.ts";
import { record } from "../ledger/record.ts";
import { dropStaleRequests } from "../single-sign-on/sign-in-request.ts";
import { destroyPastKeys } from "./destroy-keys.ts";

const BATCH = 500;
/** A session or an access token that has ended stays in the database for so long, for whoever asks what happened. */
const ENDED_SESSION_DAYS = 30;

/** Destroys the keys of past days; then removes, batch by batch, what nobody can see or use any more: abandoned uploads, old drafts, spent idempotency keys, ended sessions and access tokens, sign-ins that nobody came back from, forgotten devices, old counts and codes, passkeys and apps that somebody began to set up. */
export async function sweep(ctx: Ctx): Promise<void> {
  const now = ctx.clock.now();
  const { idempotencyHours } = ctx.config.limits;
  await destroyPastKeys(ctx);
  await removeReleasedBlobs(ctx); // Of which a crash left no word
  await untilLess(() => sweepUploads(ctx));
  await untilLess(() => expireDrafts(ctx, now));
  await untilLess(async () => (await ctx.db.run(dropKeys, [before(now, idempotencyHours * HOUR), BATCH])).length);
  await untilLess(() => dropStaleRequests(ctx, BATCH));
  await untilLess(async () => (await ctx.db.run(dropSessions, [before(now, ENDED_SESSION_DAYS * DAY), BATCH])).length);
  await untilLess(() => sweepDevices(ctx, BATCH));
  await untilLess(() => sweepSignInCodes(ctx, BATCH));
  await untilLess(() => sweepAttempts(ctx, BATCH));
  await untilLess(() => sweepChallenges(ctx, BATCH));
  await untilLess(() => sweepTotpSetups(ctx, BATCH));
  await untilLess(async () => (await ctx.db.run(dropTokens, [before(now, ENDED_SESSION_DAYS * DAY), BATCH])).length);
}

async function untilLess(batch: () => Promise<number>): Promise<void> {
  while ((await batch()) >= BATCH);
}

async function expireDrafts(ctx: Ctx, now: Date): Promise<number> {
  return inTransaction(ctx, async (ctx) => {
    const drafts = await ctx.db.run(dropDrafts, [now, BATCH]);
    if (drafts.length > 0) await releaseAttachments(ctx, { draftIds: drafts.map(({ id }) => id) });
    await record(ctx, ...drafts.map(({ mailboxId, id }) => ({ action: "draft.expired" as const, actorId: null, mailboxId, subjectId: id })));
    return drafts.length;
  });
}

const dropDrafts = statement<{ mailboxId: string; id: string }>(
  "sweep-drafts",
  `delete from drafts where (mailbox_id, id) in (select mailbox_id, id from drafts where expires_at <= $1 order by expires_at limit $2 for update skip locked)
   returning mailbox_id as "mailboxId", id`,
);

const dropKeys = statement<{ key: string }>(
  "sweep-idempotency-keys",
  `delete from idempotency_keys where (account_id, key) in
     (select account_id, key from idempotency_keys where created_at <= $1 order by created_at limit $2 for update skip locked) returning key`,
);

const dropSessions = statement<{ id: string }>(
  "sweep-sessions",
  "delete from sessions where id in (select id from sessions where expires_at <= $1 order by expires_at limit $2 for update skip locked) returning id",
);

const dropTokens = statement<{ id: string }>(
  "sweep-access-tokens",
  "delete from access_tokens where id in (select id from access_tokens where expires_at <= $1 order by expires_at limit $2 for update skip locked) returning id",
);
