import { FolderDocument, type MessageRowFragment } from "../../operations/generated/operations.ts";
import type { Client } from "./client.ts";
import { type Letter, sendMessage, sent } from "./mail.ts";
import type { SignedInPerson } from "./people.ts";

/** Every folder of a mailbox. */
export const folders = ["INBOX", "SENT", "ARCHIVE", "TRASH"] as const;

/** Sends a message that must go, and returns the sender's own copy. */
export async function send(from: SignedInPerson, to: readonly string[], letter: Omit<Letter, "to"> = {}): Promise<MessageRowFragment> {
  return sent(await sendMessage(from, { ...letter, to }));
}

/** Everything in a folder, newest first, fetched page by page. */
export async function fetchFolder(client: Client, mailboxId: string, folder: (typeof folders)[number] = "INBOX"): Promise<MessageRowFragment[]> {
  const rows: MessageRowFragment[] = [];
  for (let after: string | null = null; ;) {
    const page: { messages: { edges: { node: MessageRowFragment }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } } } | null = (
      await client.run(FolderDocument, { mailboxId, folder, first: 100, after })
    ).mailbox;
    if (page === null) throw new Error("There is no such mailbox");
    rows.push(...page.messages.edges.map(({ node }) => node));
    if (!page.messages.pageInfo.hasNextPage) return rows;
    after = page.messages.pageInfo.endCursor;
  }
}

/** Unread messages of a mailbox, and its place in its feed. */
export async function fetchState(client: Client, mailboxId: string): Promise<{ unreadCount: number; cursor: string }> {
  const { data } = await client.send<{ mailbox: { unreadCount: number; cursor: string } }>(
    "query State($id: ID!) { mailbox(id: $id) { unreadCount cursor } }",
    {
      id: mailboxId,
    },
  );
  if (!data) throw new Error("There is no such mailbox");
  return data.mailbox;
}
