import { convert } from "html-to-text";
import sanitizeHtml from "sanitize-html";
import { Field, InputType, ObjectType } from "type-graphql";
import { type Limits } from "../limits.ts";
import { withinLimit } from "../problem.ts";

const PREVIEW_LENGTH = 140;

/** What a message says, as plain text and perhaps as HTML. */
@ObjectType({ description: "What a message says." })
export class MessageBody {
  @Field(() => String, { description: "As plain text; made from the HTML where the sender wrote none." })
  text!: string;

  @Field(() => String, {
    nullable: true,
    description: "As sanitised HTML: no script, style sheet, form, frame or outside image. Sanitise again and show it in a sandboxed frame all the same.",
  })
  html!: string | null;
}

@InputType({ description: "What a message shall say: text, HTML, or both saying the same. Together at most `limits.maxMessageBytes` bytes." })
export class MessageBodyInput {
  @Field(() => String, { nullable: true, description: "Plain text." })
  text?: string | null;

  @Field(() => String, { nullable: true, description: "HTML; sanitised on the way in." })
  html?: string | null;
}

/** What may stay in HTML: text and its structure, tables, links; no outside resource and nothing active. */
const allowed: sanitizeHtml.IOptions = {
  allowedTags: [
    ...["h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "span", "br", "hr", "blockquote", "pre", "code", "ul", "ol", "li", "dl", "dt", "dd"],
    ...["b", "strong", "i", "em", "u", "s", "sub", "sup", "small", "mark", "a", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"],
  ],
  allowedAttributes: { a: ["href", "title", "rel", "target"], td: ["colspan", "rowspan"], th: ["colspan", "rowspan", "scope"], "*": ["dir", "lang"] },
  allowedSchemes: ["https", "http", "mailto", "tel"],
  allowProtocolRelative: false,
  disallowedTagsMode: "discard",
  nestingLimit: 100,
  transformTags: { a: sanitizeHtml.simpleTransform("a", { rel: "noopener noreferrer nofollow", target: "_blank" }) },
};

/** Makes the body that is kept: HTML sanitised, text always there. Refuses what is too long before it looks inside. */
export function toBody(input: MessageBodyInput | null | undefined, limits: Limits): MessageBody {
  const { text = null, html = null } = input ?? {};
  mustFit(text, html, limits);
  const cleanHtml = html === null ? null : sanitizeHtml(html, allowed);
  return body(cleanText(text ?? (cleanHtml === null ? "" : textOf(cleanHtml))), cleanHtml);
}

/** A body that says first what the forwarder writes, then the original under a head of its own. */
export function forwardedBody(note: MessageBody, head: string[], original: MessageBody, limits: Limits): MessageBody {
  const title = "---------- Forwarded message ----------";
  const text = [note.text, "", title, ...head, "", original.text].join("\n").trimStart();
  const lines = [title, ...head].map(escapeHtml).join("<br>");
  const html = note.html === null && original.html === null ? null : `${htmlOf(note)}<p>${lines}</p><blockquote>${htmlOf(original)}</blockquote>`;
  mustFit(text, html, limits);
  return body(text, html);
}

/** The first words of a body, on one line. */
export function previewOf({ text }: MessageBody): string {
  const line = text
    .slice(0, PREVIEW_LENGTH * 10)
    .replace(/\s+/g, " ")
    .trim()
    .toWellFormed();
  const characters = [...line];
  return characters.length <= PREVIEW_LENGTH
    ? line
    : `${characters
        .slice(0, PREVIEW_LENGTH - 1)
        .join("")
        .trimEnd()}…`;
}

/** A subject on one line, without control and bidi characters. */
export function cleanSubject(subject: string | null | undefined, limits: Limits): string {
  const cleaned = (subject ?? "")
    .replace(/\s+/g, " ")
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "")
    .trim();
  withinLimit([...cleaned].length, limits.maxSubjectLength, "subject", "Characters of a subject");
  return cleaned;
}

function mustFit(text: string | null, html: string | null, limits: Limits): void {
  withinLimit(Buffer.byteLength(text ?? "") + Buffer.byteLength(html ?? ""), limits.maxMessageBytes, "body", "Bytes of text and HTML together");
}

function body(text: string, html: string | null): MessageBody {
  return Object.assign(new MessageBody(), { text, html });
}

function cleanText(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(/[^\P{Cc}\n\t]/gu, "");
}

function textOf(html: string): string {
  return convert(html, { wordwrap: false, limits: { maxInputLength: 4 * 1024 * 1024, maxDepth: 100 } });
}

function htmlOf({ text, html }: MessageBody): string {
  return html ?? `<p>${escapeHtml(text).replaceAll("\n", "<br>")}</p>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
