import { fileTypeFromBuffer } from "file-type";

const MAX_LENGTH = 200;
const FALLBACK = "attachment";
/** Control characters, bidi controls and what file systems or headers take for more than a letter. */
const UNWANTED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}"*:<>?|]/gu;

/** A file name that is only a name: no path, no control or bidi character, no device trick, at most 200 characters. */
export function cleanFileName(name: string): string {
  const unescaped = name.replace(/%22|%0[AD]/g, ""); // How browsers write quotes and line ends in a form (WHATWG HTML, multipart/form-data)
  const last = unescaped.normalize("NFC").split(/[/\\]/).at(-1) ?? "";
  const cleaned = last
    .replace(UNWANTED, "")
    .replace(/\s+/g, " ")
    .replace(/^[.\s]+|[.\s]+$/g, "");
  if (cleaned === "") return FALLBACK;
  if (cleaned.length <= MAX_LENGTH) return cleaned;
  const extension = /\.[\w-]{1,10}$/.exec(cleaned)?.[0] ?? "";
  const cut = cleaned.slice(0, MAX_LENGTH - extension.length).replace(/[\ud800-\udbff]$/, ""); // Not through the middle of a character
  return `${cut}${extension}`;
}

/** How many leading bytes `detectMediaType` wants to see. */
export const DETECTION_BYTES = 4100;

/** The media type that a file's first bytes show; plain text is told from binary; never what the sender claims. */
export async function detectMediaType(start: Buffer): Promise<string> {
  const detected = await fileTypeFromBuffer(start);
  if (detected) return detected.mime;
  return start.length > 0 && isText(start) ? "text/plain" : "application/octet-stream";
}

function isText(bytes: Buffer): boolean {
  const text = new TextDecoder("utf-8").decode(bytes, { stream: true });
  return !/[\0-\x08\x0e-\x1f\ufffd]/.test(text);
}
