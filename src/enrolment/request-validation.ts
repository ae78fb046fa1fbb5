import { countAttempts } from "../accounts/throttle.ts";
import { requestCode } from "../accounts/validation.ts";
import { before, DAY } from "../clock.ts";
import type { Ctx } from "../context.ts";
import { RETENTION_DAYS } from "../limits.ts";
import { noticeByToken } from "../notifications/notice-by-token.ts";

/**
 * Asks for a code at the very address that a notice went to. A notice that never was, or is so old that nothing of its mail
 * is left, gets the same answer in the same time, and no mail.
 */
export async function requestValidation(ctx: Ctx, { noticeToken }: { noticeToken: string }): Promise<Date> {
  await countAttempts(ctx, { rule: "validation/source", key: ctx.source }, { rule: "validation/notice", key: noticeToken });
  const notice = await noticeByToken(ctx, noticeToken);
  const isLive = notice !== null && notice.createdAt > before(ctx.clock.now(), RETENTION_DAYS * DAY);
  return requestCode(ctx, { purpose: "VALIDATE", asker: noticeToken, address: isLive ? notice.address : null });
}
