import { Readable } from "node:stream";
import { attachmentsOfMessage } from "../attachments/attachment-queries.ts";
import { type Attachment, AttachmentState } from "../attachments/attachment.ts";
import { inTransaction, type ViewerCtx } from "../context.ts";
import { firstIdAt } from "../ids.ts";
import { record } from "../ledger/record.ts";
import type { Copy } from "../messages/copy.ts";
import type { MessageBody } from "../messages/message-body.ts";
import { bodyOfMessage, parentOfMessage, recipientsOfMessage } from "../messages/message-queries.ts";
import { markOpened } from "../messages/open-message.ts";
import type { Recipient } from "../messages/recipient.ts";
import { withinLimit } from "../problem.ts";
import { readBlob } from "../vault/sealed-blob.ts";
import type { ExportArchive } from "./export-archive.ts";
import { indexPage, indexRow } from "./export-index.ts";
import { FileNames } from "./file-names.ts";
import { composeMessage } from "./message-file.ts";
import { nextMessages, type Selection } from "./select-messages.ts";

/** Messages read at once: their text is in memory until the last of them is written. */
const BATCH = 25;
/** Links back to earlier messages; mail programs follow no more. */
const MAX_ANCESTORS = 20;

interface ExportedMessage {
  readonly copy: Copy;
  readonly body: MessageBody;
  readonly recipients: readonly Recipient[];
  readonly files: readonly Attachment[];
  readonly parent: string | null;
}

/**
 * Writes every message of a selection that the viewer may still read, then the index and the checksums; resolves to how
 * many messages those were. Waits for whoever reads the archive, so the memory it takes does not grow with the bytes.
 */
export async function fillArchive(ctx: ViewerCtx, archive: ExportArchive, selection: Selection, tell: (doneCount: number) => Promise<void>): Promise<number> {
  const { organisation, limits } = ctx.config;
  const [domain = ""] = organisation.domains;
  const names = new FileNames();
  const rows: string[] = [];
  const parents = new Map<string, string | null>();
  let bytes = 0;
  let cursor = firstIdAt(new Date(0));
  for (let batch: ExportedMessage[]; (batch = await exportNext(ctx, selection, cursor)).length > 0;) {
    for (const { copy, body, recipients, files, parent } of batch) {
      const { messageId, sentAt, subject, from, priority } = copy;
      const path = names.nameOf(copy);
      const included = files.filter(mayBeExported);
      const content = composeMessage(
        {
          messageId,
          sentAt,
          subject,
          from,
          recipients,
          priority,
          body,
          ancestors: ancestorsOf(parent, parents),
          files: included.map(({ fileName, mediaType, blob }) => ({ fileName, mediaType, bytes: readBlob(ctx.blobs, blob) })),
        },
        domain,
      );
      bytes += await archive.add(path, sentAt, content);
      withinLimit(bytes, limits.maxExportBytes, "input", "Bytes of all messages of one export together");
      rows.push(
        indexRow({
          path,
          sentAt,
          from,
          to: recipients,
          subject,
          files: files.map((file) => ({ fileName: file.fileName, size: file.size, isIncluded: included.includes(file) })),
        }),
      );
      parents.set(messageId, parent);
      cursor = copy.uuid;
      await tell(rows.length);
    }
  }
  const now = ctx.clock.now();
  await archive.add("index.html", now, Readable.from(indexPage(organisation.name, now, rows), { objectMode: false }));
  await archive.end(now);
  return rows.length;
}

/** Whether a file may leave the system. */
function mayBeExported({ state }: Attachment): boolean {
  return state === AttachmentState.CLEAN;
}

/** Reads the next messages and records that they are handed over: who takes a message along has opened it. */
async function exportNext(ctx: ViewerCtx, selection: Selection, cursor: string): Promise<ExportedMessage[]> {
  return inTransaction(ctx, async (ctx) => {
    const copies = await nextMessages(ctx, selection, cursor, BATCH);
    const opened = await markOpened(ctx, copies);
    await record(
      ctx,
      ...opened,
      ...copies.map(({ mailboxId, uuid, messageId }) => ({ action: "message.exported" as const, mailboxId, subjectId: uuid, messageId })),
    );
    return Promise.all(
      copies.map(async (copy) => ({
        copy,
        body: await bodyOfMessage.load(ctx, copy.messageId),
        recipients: await recipientsOfMessage.load(ctx, copy.messageId),
        files: await attachmentsOfMessage.load(ctx, copy.messageId),
        parent: await parentOfMessage.load(ctx, copy.messageId),
      })),
    );
  });
}

/** The messages before one in its thread, oldest first, as far as they are in the export. */
function ancestorsOf(parent: string | null, parents: ReadonlyMap<string, string | null>): string[] {
  const ancestors: string[] = [];
  for (let id = parent; id !== null && parents.has(id) && ancestors.length < MAX_ANCESTORS; id = parents.get(id) ?? null) ancestors.unshift(id);
  return ancestors;
}
