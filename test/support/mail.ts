import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { parse, print } from "graphql";
import { randomUUID } from "node:crypto";
import {
  type Folder,
  FolderDocument,
  type FolderQuery,
  type FolderQueryVariables,
  type ForwardMessageInput,
  MessageRowFragmentDoc,
  type MessageRowFragment,
  OpenMessageDocument,
  type OpenMessageQuery,
  type Priority,
  type ProblemCode,
  type ReplyToMessageInput,
  type SendMessageInput,
  ThreadDocument,
} from "../../operations/generated/operations.ts";
import { decodeOwnedId, encodeId } from "../../src/graphql/node-id.ts";
import type { SignedInPerson } from "./people.ts";

/** A refusal, with all that a program may decide by. */
export interface Refused {
  readonly code: ProblemCode;
  readonly field: string | null;
  readonly limit: number | null;
  readonly addresses: string[] | null;
}

/** What a sending mutation answers: the sender's own row, or why not. */
export type Written = { readonly message: MessageRowFragment } | Refused;

/** What a test has to say about a message; the rest is filled in. */
export interface Letter {
  /** The mailbox to send from; the sender's own if left out. */
  readonly mailboxId?: string;
  readonly to: readonly string[];
  readonly cc?: readonly string[];
  readonly subject?: string | null;
  readonly text?: string | null;
  readonly html?: string | null;
  readonly priority?: Priority;
  readonly attachmentIds?: readonly string[];
  readonly draftId?: string;
  /** A fresh one if left out. */
  readonly idempotencyKey?: string;
}

/** Sends a message and returns whatever is answered. */
export async function sendMessage(from: SignedInPerson, { to, cc, subject = "A subject", ...letter }: Letter): Promise<Written> {
  const input = { mailboxId: letter.mailboxId ?? from.mailboxId, to: [...to], cc: cc ? [...cc] : null, subject, ...commonOf(letter) };
  return (await from.client.run(SendWhole, { input })).sendMessage;
}

/** Answers a message and returns whatever is answered. */
export async function replyToMessage(
  from: SignedInPerson,
  messageId: string,
  letter: Omit<Letter, "mailboxId" | "to" | "cc" | "subject"> = {},
): Promise<Written> {
  return (await from.client.run(ReplyWhole, { input: { messageId, ...commonOf(letter) } })).replyToMessage;
}

/** Passes a message on and returns whatever is answered. */
export async function forwardMessage(from: SignedInPerson, messageId: string, letter: Omit<Letter, "mailboxId" | "cc" | "subject">): Promise<Written> {
  return (await from.client.run(ForwardWhole, { input: { messageId, to: [...letter.to], ...commonOf(letter) } })).forwardMessage;
}

/** The sender's row of a message that must have gone. */
export function sent(answer: Written): MessageRowFragment {
  if (!("message" in answer)) throw new Error(`The message was refused: ${JSON.stringify(answer)}`);
  return answer.message;
}

/** A page of a folder, as it came. */
export async function folderOf(
  person: SignedInPerson,
  page: Partial<Omit<FolderQueryVariables, "folder">> & { readonly folder?: Folder } = {},
): Promise<NonNullable<FolderQuery["mailbox"]>> {
  const { mailbox } = await person.client.run(FolderDocument, {
    mailboxId: person.mailboxId,
    folder: "INBOX",
    first: page.last == null ? 100 : null,
    after: null,
    last: null,
    before: null,
    filter: null,
    ...page,
  });
  if (mailbox === null) throw new Error("There is no such mailbox");
  return mailbox;
}

/** The messages of a folder, newest first. */
export async function messagesOf(person: SignedInPerson, page: Parameters<typeof folderOf>[1] = {}): Promise<MessageRowFragment[]> {
  return (await folderOf(person, page)).messages.edges.map(({ node }) => node);
}

/** The message somebody got last. */
export async function newestOf(person: SignedInPerson, page: Parameters<typeof folderOf>[1] = {}): Promise<MessageRowFragment> {
  const [newest] = await messagesOf(person, page);
  if (newest === undefined) throw new Error(`${person.userId} has no message there`);
  return newest;
}

/** A message opened, with all that its reader sees. */
export async function openMessage(person: SignedInPerson, id: string): Promise<NonNullable<OpenMessageQuery["message"]>> {
  const { message } = await person.client.run(OpenMessageDocument, { id });
  if (message === null) throw new Error("There is no such message");
  return message;
}

/** Sends, and returns the message as this recipient has it: the only one in its thread. */
export async function deliver(from: SignedInPerson, to: SignedInPerson, letter: Omit<Letter, "to"> = {}): Promise<MessageRowFragment> {
  const own = sent(await sendMessage(from, { ...letter, to: [to.address] }));
  const id = encodeId("Thread", to.mailboxKey, decodeOwnedId("Thread", own.thread.id).uuid);
  const { thread } = await to.client.run(ThreadDocument, { id, first: 1 });
  const [arrived] = thread?.messages.edges.map(({ node }) => node) ?? [];
  if (arrived === undefined) throw new Error(`Nothing came to ${to.userId}`);
  return arrived;
}

function commonOf({ text, html, priority, attachmentIds, draftId, idempotencyKey }: Omit<Letter, "to">) {
  return {
    body: { text: text === undefined && html === undefined ? "Some words." : (text ?? null), html: html ?? null },
    priority: priority ?? null,
    attachmentIds: attachmentIds ? [...attachmentIds] : null,
    draftId: draftId ?? null,
    idempotencyKey: idempotencyKey ?? randomUUID(),
  };
}

/** A sending mutation that asks for everything a Problem says but its sentence, which shares its name with the payload's message. */
function writing(mutation: string, type: string, input: string) {
  return parse(`
    mutation ($input: ${input}!) {
      ${mutation}(input: $input) {
        ... on ${type} { message { ...MessageRow } }
        ... on Problem { code field limit addresses }
      }
    }
    ${print(MessageRowFragmentDoc)}`);
}

const SendWhole: TypedDocumentNode<{ sendMessage: Written }, { input: SendMessageInput }> = writing("sendMessage", "SendMessagePayload", "SendMessageInput");
const ReplyWhole: TypedDocumentNode<{ replyToMessage: Written }, { input: ReplyToMessageInput }> = writing(
  "replyToMessage",
  "ReplyToMessagePayload",
  "ReplyToMessageInput",
);
const ForwardWhole: TypedDocumentNode<{ forwardMessage: Written }, { input: ForwardMessageInput }> = writing(
  "forwardMessage",
  "ForwardMessagePayload",
  "ForwardMessageInput",
);
