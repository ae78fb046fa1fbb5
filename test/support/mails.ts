import type { TestApp } from "./app.ts";
import { sql } from "./sql.ts";

/** The mails queued for an address, oldest first. */
export async function mailsTo(app: TestApp, address: string): Promise<{ kind: string; data: unknown; id: string }[]> {
  const rows = await sql<{ id: string; kind: string; data: Buffer }>(app, "select id, kind, data from mails where address = $1 order by id", [address]);
  const opener = await app.ctx().dataKeys.forSealed(rows.map(({ data }) => data));
  return rows.map(({ id, kind, data }) => ({ kind, data: opener.open<unknown>({ id, field: "mail" }, data), id }));
}
