import type { QueryResultRow } from "pg";
import type { TestApp } from "./app.ts";

/** Reads or changes the database behind the server's back, as the owner of its tables. */
export async function sql<Row extends QueryResultRow>(app: TestApp, text: string, values: unknown[] = []): Promise<Row[]> {
  return (await app.owner.query<Row>(text, values)).rows;
}

/** What the ledger says happened in a mailbox, oldest first; without a mailbox in the organisation's own stream. */
export async function eventsOf(app: TestApp, mailboxKey = "00000000-0000-0000-0000-000000000000"): Promise<LedgerRow[]> {
  return sql(app, "select action, actor_id, subject_id, message_id, code from events where mailbox_id = $1 order by sequence", [mailboxKey]);
}

/** An event as the ledger keeps it. */
export interface LedgerRow {
  readonly action: string;
  readonly actor_id: string | null;
  readonly subject_id: string | null;
  readonly message_id: string | null;
  readonly code: string | null;
}
