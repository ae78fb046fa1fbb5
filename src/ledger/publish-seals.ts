import { SECOND } from "../clock.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";

const PAGE = 100;
const TIMEOUT_MS = 10 * SECOND;

/**
 * Posts each new seal, oldest first, to AUDIT_PUBLISH_URL as `application/jose`, where whoever has the database cannot
 * take it back. What is not answered with 2xx is sent again by the next run, so one may come twice.
 */
export async function publishSeals(ctx: Ctx): Promise<void> {
  const { auditPublishUrl } = ctx.config;
  if (auditPublishUrl === null) return;
  for (;;) {
    const seals = await ctx.db.run(unpublished, [PAGE]);
    for (const { number, jws } of seals) {
      const { ok, status } = await fetch(auditPublishUrl, {
        method: "POST",
        headers: { "content-type": "application/jose" },
        body: jws,
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!ok) throw new Error(`AUDIT_PUBLISH_URL answered ${status} to seal ${number}`);
      await ctx.db.run(markPublished, [number, ctx.clock.now()]);
    }
    if (seals.length < PAGE) return;
  }
}

const unpublished = statement<{ number: number; jws: string }>(
  "seals-unpublished",
  "select number, jws from seals where number > coalesce((select max(number) from published_seals), 0) order by number limit $1",
);

const markPublished = statement("seals-published", "insert into published_seals (number, published_at) values ($1, $2) on conflict do nothing");
