import MailComposer from "nodemailer/lib/mail-composer/index.js";
import type { Readable } from "node:stream";
import type { Participant } from "../messages/copy.ts";
import type { MessageBody } from "../messages/message-body.ts";
import type { Priority } from "../messages/message.ts";
import { type Recipient, RecipientKind } from "../messages/recipient.ts";

/** All that a message's own file says. */
export interface MessageFile {
  /** The message's key, the same in every mailbox. */
  readonly messageId: string;
  readonly sentAt: Date;
  readonly subject: string;
  readonly from: Participant;
  readonly recipients: readonly Pick<Recipient, "kind" | "address" | "displayName">[];
  readonly priority: Priority;
  readonly body: MessageBody;
  /** The messages before it in its thread that are in the export, too, oldest first. */
  readonly ancestors: readonly string[];
  readonly files: readonly { readonly fileName: string; readonly mediaType: string; readonly bytes: Readable }[];
}

/** RFC 2156 has three grades of importance; mail programs also read X-Priority, which has five. */
const headersOf: Record<Priority, Record<string, string>> = {
  LOW: { Importance: "Low", "X-Priority": "5 (Lowest)" },
  NORMAL: {},
  HIGH: { Importance: "High", "X-Priority": "2 (High)" },
  URGENT: { Importance: "High", "X-Priority": "1 (Highest)" },
};

/** Writes a message as RFC 5322 and MIME have it, streaming its files. `domain` completes its Message-ID, which never changes. */
export function composeMessage(message: MessageFile, domain: string): Readable {
  const idOf = (messageId: string): string => `<${messageId}@${domain}>`;
  const addressed = (kind: RecipientKind) => message.recipients.filter((recipient) => recipient.kind === kind).map(toMailAddress);
  const { body, ancestors } = message;
  const parent = ancestors.at(-1);
  return new MailComposer({
    messageId: idOf(message.messageId),
    date: message.sentAt,
    from: toMailAddress(message.from),
    to: addressed(RecipientKind.TO),
    cc: addressed(RecipientKind.CC),
    subject: message.subject,
    headers: headersOf[message.priority],
    ...(parent === undefined ? {} : { inReplyTo: idOf(parent), references: ancestors.map(idOf) }),
    text: { content: lines(body.text) },
    ...(body.html === null ? {} : { html: { content: lines(body.html) } }),
    attachments: message.files.map(({ fileName, mediaType, bytes }) => ({
      filename: fileName,
      // Encoding would be forbidden for a message within a message (RFC 2046, section 5.2.1), and then its bytes could change.
      contentType: mediaType.startsWith("message/") ? "application/octet-stream" : mediaType,
      contentTransferEncoding: "base64" as const,
      contentDisposition: "attachment" as const,
      content: bytes,
    })),
    disableFileAccess: true,
    disableUrlAccess: true,
  })
    .compile()
    .createReadStream();
}

function toMailAddress({ displayName, address }: Participant): { name: string; address: string } {
  return { name: displayName === address ? "" : displayName, address };
}

/** Lines end as they must on the wire; a part that says nothing still has one. */
function lines(text: string): string {
  return text.replace(/\r?\n/g, "\r\n") || "\r\n";
}
