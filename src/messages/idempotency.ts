import { before, HOUR } from "../clock.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import type { OwnedId } from "../graphql/node-id.ts";
import { ProblemCode, refuse } from "../problem.ts";
import type { Copy } from "./copy.ts";
import { findOwnCopy } from "./copy-queries.ts";

const MAX_KEY_LENGTH = 200;
const KEY_FORM = new RegExp(`^\\P{Cc}{1,${MAX_KEY_LENGTH}}$`, "u");

/** What came of a request: a copy that its mailbox owns, or something that belongs to the account. */
interface Result {
  readonly uuid: string;
  readonly mailboxId?: string;
}

/**
 * Does something once, however often the client asks: the first request with a key does the work, every later one with
 * the same input gets the same result from `again`, one with other input a conflict. Twenty at a time queue on the
 * key's row. A refusal leaves no trace, so that it can be mended and tried again. Keys belong to an account and are kept
 * for 24 hours.
 */
export async function once<T extends Result>(
  ctx: ViewerCtx,
  operation: string,
  key: string,
  input: object,
  again: (ctx: ViewerCtx, id: OwnedId) => Promise<T>,
  work: (ctx: ViewerCtx) => Promise<T>,
): Promise<T> {
  if (!KEY_FORM.test(key))
    refuse(ProblemCode.INVALID_INPUT, `An idempotency key has 1 to ${MAX_KEY_LENGTH} characters, no control characters; a random UUID serves well.`, {
      field: "idempotencyKey",
    });
  const inputHash = ctx.keyedHash.hash("idempotency", JSON.stringify([operation, canonical(input)]));
  return inTransaction(ctx, async (ctx) => {
    const now = ctx.clock.now();
    const { accountId } = ctx.viewer;
    const claimed = await ctx.db.run(claimKey, [accountId, key, operation, inputHash, now, before(now, ctx.config.limits.idempotencyHours * HOUR)]);
    if (claimed.length === 0) {
      const known = await ctx.db.one(knownKey, [accountId, key]);
      if (!known.inputHash.equals(inputHash))
        refuse(ProblemCode.IDEMPOTENCY_CONFLICT, "This idempotency key was used with other input. Use a new key for a new message.", {
          field: "idempotencyKey",
        });
      return again(ctx, known);
    }
    const result = await work(ctx);
    await ctx.db.run(keepResult, [accountId, key, result.mailboxId ?? null, result.uuid]);
    return result;
  });
}

/** The copy that an earlier sending with the same key left. */
export function sentBefore(ctx: ViewerCtx, id: OwnedId): Promise<Copy> {
  return findOwnCopy(ctx, id, "idempotencyKey");
}

/** The same input in whatever order its fields came, and whether what is absent was left out or null. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (value === null || typeof value !== "object") return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined && field !== null);
  return fields.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, field]) => [name, canonical(field)]);
}

const claimKey = statement<{ key: string }>(
  "idempotency-claim",
  `insert into idempotency_keys as known (account_id, key, operation, input_hash, created_at) values ($1, $2, $3, $4, $5)
   on conflict (account_id, key) do update set operation = excluded.operation, input_hash = excluded.input_hash, created_at = excluded.created_at
   where known.created_at <= $6 returning key`,
);

const knownKey = statement<OwnedId & { inputHash: Buffer }>(
  "idempotency-known",
  `select input_hash as "inputHash", mailbox_id as "mailboxId", result_id as uuid from idempotency_keys where account_id = $1 and key = $2`,
);

const keepResult = statement("idempotency-keep", "update idempotency_keys set mailbox_id = $3, result_id = $4 where account_id = $1 and key = $2");
