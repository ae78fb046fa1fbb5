import type { Ctx } from "../context.ts";
import { type Statement, statement } from "../db/database.ts";
import { type DataKey, referenceIn, type SealedField } from "../vault/seal.ts";

/** A kind of value that is sealed under the data key of its message. */
interface SealedPart {
  readonly field: SealedField;
  /** Finds the values of messages ($1), each with the id that it is bound to. */
  readonly find: Statement<{ messageId: string; id: string; sealed: Buffer }>;
  /** Writes values ($2) by the ids they are bound to ($1). */
  readonly store: Statement<Record<string, never>>;
}

/** Everything of a message that is sealed. Whoever seals more under its data key adds a line, or a hold would lose that. */
const parts: readonly SealedPart[] = [
  {
    field: "body",
    find: statement("reseal-find-bodies", `select id as "messageId", id, body as sealed from messages where id = any ($1::uuid[])`),
    store: statement("reseal-store-bodies", "update messages m set body = s.sealed from unnest($1::uuid[], $2::bytea[]) as s (id, sealed) where m.id = s.id"),
  },
  {
    field: "header", // One for all copies of a message
    find: statement(
      "reseal-find-headers",
      `select distinct on (message_id) message_id as "messageId", message_id as id, header as sealed from copies where message_id = any ($1::uuid[])`,
    ),
    store: statement(
      "reseal-store-headers",
      "update copies c set header = s.sealed from unnest($1::uuid[], $2::bytea[]) as s (id, sealed) where c.message_id = s.id",
    ),
  },
  {
    field: "words",
    find: statement("reseal-find-words", `select message_id as "messageId", message_id as id, sealed from search_words where message_id = any ($1::uuid[])`),
    store: statement(
      "reseal-store-words",
      "update search_words w set sealed = s.sealed from unnest($1::uuid[], $2::bytea[]) as s (id, sealed) where w.message_id = s.id",
    ),
  },
  {
    field: "file",
    find: statement("reseal-find-files", `select message_id as "messageId", id, header as sealed from attachments where message_id = any ($1::uuid[])`),
    store: statement(
      "reseal-store-files",
      "update attachments a set header = s.sealed from unnest($1::uuid[], $2::bytea[]) as s (id, sealed) where a.id = s.id",
    ),
  },
];

/** Seals all of some messages, which the caller's transaction has locked with their copies, under other keys, named by the messages' ids. */
export async function reseal(ctx: Ctx, keys: ReadonlyMap<string, DataKey>): Promise<void> {
  for (const { field, find, store } of parts) {
    const found = await ctx.db.run(find, [[...keys.keys()]]);
    const opener = await ctx.dataKeys.forSealed(found.map(({ sealed }) => sealed));
    const resealed = found.flatMap(({ messageId, id, sealed }) => {
      const key = keys.get(messageId);
      if (key === undefined || referenceIn(sealed) === key.reference.toString("latin1")) return [];
      return { id, sealed: key.sealBytes({ id, field }, opener.openBytes({ id, field }, sealed)) };
    });
    if (resealed.length > 0) await ctx.db.run(store, [resealed.map(({ id }) => id), resealed.map(({ sealed }) => sealed)]);
  }
}
