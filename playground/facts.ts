import type { PlaygroundConfig } from "../src/server/playground.ts";
import type { Facts } from "./examples.ts";
import type { Learned } from "./learned.ts";

/** Who is signed in. */
export interface Account {
  readonly id: string;
  readonly userId: string;
  readonly displayName: string;
  readonly address: string;
  readonly kind: string;
}

/** The answer to `factsQuery`. */
export interface FactsData {
  readonly viewer: { readonly account: Account; readonly mailboxes: readonly Mailbox[] } | null;
}

interface Mailbox {
  readonly id: string;
  readonly kind: string;
  readonly cursor: string;
  readonly drafts: { readonly edges: readonly { readonly node: { readonly id: string } }[] };
  readonly messages: { readonly edges: readonly { readonly node: Message }[] };
}

interface Message {
  readonly id: string;
  readonly from: { readonly address: string };
  readonly thread: { readonly id: string };
  readonly canReply: { readonly allowed: boolean };
  readonly canForward: { readonly allowed: boolean };
}

/** Asks who is signed in and for ids the examples can use. It opens no message: it asks for no body. */
export const factsQuery = `query PlaygroundFacts {
  viewer {
    account { id userId displayName address kind }
    mailboxes {
      id
      kind
      cursor
      drafts(first: 1) { edges { node { id } } }
      messages(folder: INBOX, first: 10) {
        edges { node { id from { address } thread { id } canReply { allowed } canForward { allowed } } }
      }
    }
  }
}`;

/** The values that templates name, for one viewer. A fact that is not known is left out. */
export function factsOf(config: PlaygroundConfig, viewer: FactsData["viewer"], learned: Learned): Facts {
  const accounts = config.demo ? config.accounts : [];
  const address = (kinds: readonly string[]) => accounts.find((other) => kinds.includes(other.kind) && other.userId !== viewer?.account.userId)?.address;
  const mailbox = viewer?.mailboxes.find(({ kind }) => kind === "PERSON");
  const messages = mailbox?.messages.edges.map(({ node }) => node) ?? [];
  const newest = messages[0];
  const isEmployee = viewer?.account.kind === "EMPLOYEE" || viewer?.account.kind === "ADMINISTRATOR";
  const facts = {
    ...learned,
    userId: viewer?.account.userId ?? accounts[0]?.userId,
    password: config.demo ? config.password : undefined,
    accountId: viewer?.account.id,
    mailboxId: mailbox?.id,
    cursor: mailbox?.cursor,
    draftId: mailbox?.drafts.edges[0]?.node.id,
    messageId: newest?.id,
    threadId: newest?.thread.id,
    repliableMessageId: (messages.find(({ canReply }) => canReply.allowed) ?? newest)?.id,
    forwardableMessageId: (messages.find(({ canForward }) => canForward.allowed) ?? newest)?.id,
    oldestMessageId: messages.at(-1)?.id,
    messageIds: messages.slice(0, 3).map(({ id }) => id),
    employeeAddress: address(["EMPLOYEE"]),
    recipientAddress: address(isEmployee ? ["MEMBER"] : ["EMPLOYEE"]) ?? newest?.from.address,
  };
  return Object.fromEntries(Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
