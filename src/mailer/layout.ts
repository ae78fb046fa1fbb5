import type { MailBrand } from "./brand.ts";
import type { Language } from "./language.ts";
import type { MailText } from "./mail-text.ts";

/** The name of the logo within a mail. */
export const LOGO_ID = "logo@mail";

/** Whom a mail is laid out for. */
export interface LayoutOptions {
  readonly language: Language;
  readonly brand: MailBrand;
  /** The words that its reader chose to know our mail by; null if they chose none. */
  readonly phrase: string | null;
  readonly hasLogo: boolean;
}

/** What stands on every mail beside its own text. */
interface FixedWords {
  readonly phrase: (phrase: string) => string;
  readonly code: string;
  readonly reference: (reference: string, publicUrl: string) => string;
  readonly address: (publicUrl: string) => string;
  readonly support: (contact: string) => string;
  readonly noReply: (organisation: string) => string;
}

const words: { readonly [language in Language]: FixedWords } = {
  EN: {
    phrase: (phrase) => `Your phrase, so that you know this is from us: “${phrase}”`,
    code: "Your code",
    reference: (reference, publicUrl) => `Reference: ${reference}. At ${publicUrl} anybody can check whether a mail with this reference is from us.`,
    address: (publicUrl) => `You need not trust a link in any mail: type our address yourself: ${publicUrl}`,
    support: (contact) => `Questions? ${contact}`,
    noReply: (organisation) => `${organisation} sends this mail by machine. Nobody reads an answer to it.`,
  },
  ES: {
    phrase: (phrase) => `Su frase, para que sepa que este correo es nuestro: «${phrase}»`,
    code: "Su código",
    reference: (reference, publicUrl) => `Referencia: ${reference}. En ${publicUrl} cualquiera puede comprobar si un correo con esta referencia es nuestro.`,
    address: (publicUrl) => `No hace falta que confíe en ningún enlace: escriba usted nuestra dirección: ${publicUrl}`,
    support: (contact) => `¿Preguntas? ${contact}`,
    noReply: (organisation) => `${organisation} envía este correo de forma automática. Nadie lee las respuestas.`,
  },
};

/** Lays a text out twice, as plain text and as HTML: the same words in the same order, nothing fetched from anywhere. */
export function layOut(mail: MailText, options: LayoutOptions): { text: string; html: string } {
  return { text: asText(mail, options), html: asHtml(mail, options) };
}

function asText({ paragraphs, code, link, reference }: MailText, { language, brand, phrase }: LayoutOptions): string {
  const fixed = words[language];
  return [
    ...(phrase === null ? [] : [fixed.phrase(phrase)]),
    ...paragraphs,
    ...(code === undefined ? [] : [`${fixed.code}: ${code}`]),
    ...(link === undefined ? [] : [`${link.label}:\n${link.url}`]),
    fixed.address(brand.publicUrl),
    ...(reference === undefined ? [] : [fixed.reference(reference, brand.publicUrl)]),
    ...(brand.supportContact === null ? [] : [fixed.support(brand.supportContact)]),
    `-- \n${fixed.noReply(brand.organisation)}`,
    "",
  ].join("\n\n");
}

const FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";

/** Sets neither background nor colour of its text, so that it is as readable where the mail program is dark. */
function asHtml({ subject, paragraphs, code, link, reference }: MailText, { language, brand, phrase, hasLogo }: LayoutOptions): string {
  const fixed = words[language];
  const paragraph = (text: string, style = ""): string => `<p style="margin:0 0 16px;${style}">${escapeHtml(text)}</p>`;
  const small = "font-size:14px";
  const body = [
    hasLogo
      ? `<p style="margin:0 0 24px"><img src="cid:${LOGO_ID}" alt="${escapeHtml(brand.organisation)}" height="40" style="height:40px;border:0"></p>`
      : paragraph(brand.organisation, "margin-bottom:24px;font-size:18px;font-weight:600"),
    ...(phrase === null ? [] : [paragraph(fixed.phrase(phrase), `border-left:4px solid ${brand.colour};padding:4px 0 4px 12px`)]),
    ...paragraphs.map((text) => paragraph(text)),
    ...(code === undefined
      ? []
      : [
          paragraph(fixed.code, `margin-bottom:4px;${small}`),
          paragraph(code, "margin-bottom:24px;font:700 28px/1.3 ui-monospace,Menlo,Consolas,monospace;letter-spacing:3px"),
        ]),
    ...(link === undefined
      ? []
      : [
          `<p style="margin:0 0 24px"><a href="${escapeHtml(link.url)}" style="display:inline-block;padding:12px 20px;border-radius:6px;background-color:${brand.colour};color:${readableOn(brand.colour)};font-weight:600;text-decoration:none">${escapeHtml(link.label)}</a></p>`,
        ]),
    '<hr style="margin:24px 0 16px;border:0;border-top:1px solid #8a8a8a">',
    paragraph(fixed.address(brand.publicUrl), small),
    ...(reference === undefined ? [] : [paragraph(fixed.reference(reference, brand.publicUrl), small)]),
    ...(brand.supportContact === null ? [] : [paragraph(fixed.support(brand.supportContact), small)]),
    paragraph(fixed.noReply(brand.organisation), small),
  ];
  const lang = language.toLowerCase();
  return `<!doctype html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>${escapeHtml(subject)}</title>
<style>:root{color-scheme:light dark}</style>
</head>
<body style="margin:0;padding:0">
<div lang="${lang}" style="max-width:560px;margin:0 auto;padding:24px 16px;${FONT};font-size:16px;line-height:1.5">
${body.join("\n")}
</div>
</body>
</html>
`;
}

/** Black or white, whichever stands out more from a colour (WCAG 2.2, relative luminance). */
function readableOn(colour: string): "#000000" | "#ffffff" {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000000" : "#ffffff";
}

/** Text as it may stand in HTML, in an attribute too. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
