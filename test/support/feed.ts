import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { parse } from "graphql";
import type { MessageRowFragment } from "../../operations/generated/operations.ts";
import type { Client } from "./client.ts";

/** Any event of a mailbox's feed. */
export type FeedEvent = { cursor: string; unreadCount: number } & (
  | { __typename: "MessageReceived" | "MessageChanged"; message: MessageRowFragment }
  | { __typename: "MessageExpiring"; message: MessageRowFragment; daysLeft: number }
  | { __typename: "MessageRemoved"; messageId: string }
  | { __typename: "RefetchRequired"; reason: string }
);

const event = `
  fragment Row on Message {
    id folder subject preview priority from { displayName address } sentAt expiresAt isRead isFlagged attachmentCount thread { id }
  }
  fragment Event on MailboxEvent {
    __typename cursor unreadCount
    ... on MessageReceived { message { ...Row } }
    ... on MessageChanged { message { ...Row } }
    ... on MessageExpiring { message { ...Row } daysLeft }
    ... on MessageRemoved { messageId }
    ... on RefetchRequired { reason }
  }`;

/** The feed of a mailbox, live. */
export const Feed: TypedDocumentNode<{ mailboxChanged: FeedEvent }, { mailboxId: string; after: string | null }> = parse(
  `subscription Feed($mailboxId: ID!, $after: String) { mailboxChanged(mailboxId: $mailboxId, after: $after) { ...Event } } ${event}`,
);

/** The same feed, page by page. */
export const Changes: TypedDocumentNode<
  { mailbox: { changes: { edges: { cursor: string; node: FeedEvent }[]; pageInfo: { hasNextPage: boolean; endCursor: string } } } },
  { mailboxId: string; after: string; first: number }
> = parse(`query Changes($mailboxId: ID!, $after: String!, $first: Int!) {
  mailbox(id: $mailboxId) { changes(after: $after, first: $first) { edges { cursor node { ...Event } } pageInfo { hasNextPage endCursor } } }
} ${event}`);

/** All that changed after a cursor, by asking for pages of this size. */
export async function fetchChanges(client: Client, mailboxId: string, after: string, first: number): Promise<{ events: FeedEvent[]; cursor: string }> {
  const events: FeedEvent[] = [];
  for (let cursor = after; ;) {
    const { edges, pageInfo } = (await client.run(Changes, { mailboxId, after: cursor, first })).mailbox.changes;
    events.push(...edges.map(({ node }) => node));
    cursor = pageInfo.endCursor;
    if (!pageInfo.hasNextPage) return { events, cursor };
  }
}

/** The number in a feed cursor. Clients must not look inside; the tests do, to see gaps. */
export function sequenceOf(cursor: string): number {
  return Number(Buffer.from(cursor, "base64url").toString().split(" ")[1]);
}
