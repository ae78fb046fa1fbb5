import type { TestApp } from "./app.ts";

/** The mails queued for an address, oldest first, with what they are told beside their fixed text. */
export async function mailsTo(app: TestApp, address: string): Promise<{ kind: string; data: unknown; id: string }[]> {
  const { rows } = await app.owner.query<{ id: string; kind: string; data: Buffer }>("select id, kind, data from mails where address = $1 order by id", [
    address,
  ]);
  const opener = await app.ctx().dataKeys.forSealed(rows.map(({ data }) => data));
  return rows.map(({ id, kind, data }) => ({ kind, data: opener.open({ id, field: "mail" }, data), id }));
}
