import type { ViewerCtx } from "../context.ts";
import { statement } from "../db/database.ts";
import { notFound } from "../problem.ts";
import { findOwnPasskey } from "./factor-queries.ts";
import type { Passkey } from "./passkey.ts";
import { passkeyName } from "./passkey-name.ts";

/** Calls one of the viewer's passkeys something else. */
export async function renamePasskey(ctx: ViewerCtx, uuid: string, name: string): Promise<Passkey> {
  const directory = await ctx.dataKeys.directory();
  const sealed = directory.seal<string>({ id: uuid, field: "passkey" }, passkeyName(name));
  await ctx.db.run(rename, [uuid, ctx.viewer.accountId, sealed]);
  return (await findOwnPasskey(ctx, uuid)) ?? notFound("passkeyId");
}

const rename = statement("passkey-rename", "update passkeys set name = $3 where id = $1 and account_id = $2");
