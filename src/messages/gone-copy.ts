import type { Happening } from "../ledger/record.ts";

/** What a statement that deletes copies returns for each: all that the ledger records of it, and of what it was. */
export interface GoneCopy {
  mailboxId: string;
  id: string;
  messageId: string;
  wasUnread: boolean;
  counterpartId: string | null;
  wasSent: boolean;
  openedAt: Date | null;
}

const firstRecipient = "from recipients r where r.message_id = c.message_id and r.n = 1";

/** The columns of a GoneCopy. */
export const goneColumns = `c.mailbox_id as "mailboxId", c.id, c.message_id as "messageId", c.folder = 'INBOX' and c.read_at is null as "wasUnread",
  c.from_mailbox_id = c.mailbox_id as "wasSent",
  case when c.from_mailbox_id <> c.mailbox_id then c.from_mailbox_id else (select r.mailbox_id ${firstRecipient}) end as "counterpartId",
  case when c.from_mailbox_id <> c.mailbox_id then c.opened_at else (select r.updated_at ${firstRecipient} and r.status = 'OPENED') end as "openedAt"`;

/** What happened to a copy that was deleted: the event is its tombstone. */
export function goneHappening({ id, wasUnread, ...gone }: GoneCopy): Happening {
  return { action: "message.deleted", subjectId: id, unread: wasUnread ? -1 : 0, ...gone };
}
