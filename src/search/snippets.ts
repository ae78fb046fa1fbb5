import { attachmentsOfDraft, attachmentsOfMessage } from "../attachments/attachment-queries.ts";
import type { ViewerCtx } from "../context.ts";
import { Copy } from "../messages/copy.ts";
import type { Draft } from "../messages/draft.ts";
import { bodyOfMessage } from "../messages/message-queries.ts";
import { occurrencesIn, type Term } from "../words/search-term.ts";
import { SearchField, type Snippet } from "./search-hit.ts";

const LENGTH = 200;
/** Characters shown before the first word that was searched for. */
const LEAD = 60;

/** A text in which words may be shown, and what it is. */
export interface Passage {
  readonly field: SearchField;
  readonly text: string;
}

/** What may be shown of a message or a draft: all of it, but of a message that was not opened only what its list row shows. */
export async function passagesOf(ctx: ViewerCtx, found: Copy | Draft): Promise<Passage[]> {
  if (!(found instanceof Copy)) return passagesOfDraft(ctx, found);
  const { from, subject, preview, messageId, attachmentCount, openedAt } = found;
  const [body, files] = await Promise.all([
    openedAt === null ? { text: preview } : bodyOfMessage.load(ctx, messageId),
    attachmentCount === 0 ? [] : attachmentsOfMessage.load(ctx, messageId),
  ]);
  return [
    { field: SearchField.SUBJECT, text: subject },
    { field: SearchField.FROM, text: `${from.displayName} <${from.address}>` },
    { field: SearchField.BODY, text: body.text },
    ...files.map(({ fileName }) => ({ field: SearchField.ATTACHMENT, text: fileName })),
  ];
}

/** All that a draft says. */
export async function passagesOfDraft(ctx: ViewerCtx, { uuid, subject, body }: Draft): Promise<Passage[]> {
  const files = await attachmentsOfDraft.load(ctx, uuid);
  return [
    { field: SearchField.SUBJECT, text: subject },
    { field: SearchField.BODY, text: body.text },
    ...files.map(({ fileName }) => ({ field: SearchField.ATTACHMENT, text: fileName })),
  ];
}

/** The words around the first that was searched for; null where there is none. */
export function snippetOf({ field, text }: Passage, terms: readonly Term[]): Snippet | null {
  const found = occurrencesIn(text, terms);
  const [first] = found;
  if (first === undefined) return null;
  const space = text.lastIndexOf(" ", first.start - LEAD);
  const start = first.start <= LEAD || text.length <= LENGTH ? 0 : characterAt(text, Math.max(space + 1, first.start - 2 * LEAD));
  const end = characterAt(text, Math.min(text.length, start + LENGTH));
  const before = start > 0 ? "…" : "";
  const shown = text.slice(start, end).replace(/\s/g, " ").toWellFormed();
  return {
    field,
    text: `${before}${shown}${end < text.length ? "…" : ""}`,
    highlights: found
      .map((word) => ({ start: word.start - start + before.length, length: word.text.length }))
      .filter((highlight) => highlight.start + highlight.length <= before.length + shown.length),
  };
}

/** Where the character begins of which this code unit is a part. */
function characterAt(text: string, index: number): number {
  return /[\udc00-\udfff]/.test(text[index] ?? "") ? index - 1 : index;
}
