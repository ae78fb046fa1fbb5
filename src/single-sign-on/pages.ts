import { Language } from "../mailer/language.ts";
import type { Problem } from "../problem.ts";
import { ProblemCode } from "../problem.ts";

/** A small page of our own, without script or style. */
export interface Page {
  readonly status: number;
  readonly html: string;
}

/**
 * Goes on to a path of ours. Browsers that come from the provider do not send the session's cookie, which is SameSite=Strict,
 * with a redirect: it is the provider that they follow. From this page on it is us.
 */
export function goOn(language: Language, path: string): Page {
  const { going, here } = texts[language];
  const to = escape(path);
  return page(language, 200, going, `<p>${going} <a href="${to}">${here}</a></p>`, `<meta http-equiv="refresh" content="0;url=${to}">`);
}

/** Says why a sign-in came to nothing, with the problem's code and the request's number for whoever is asked. */
export function sorry(language: Language, status: number, { code }: Pick<Problem, "code">, requestId: string, startPath: string): Page {
  const { title, again, number, ...reasons } = texts[language];
  const reason = code === ProblemCode.FORBIDDEN ? reasons.forbidden : code === ProblemCode.UNAVAILABLE ? reasons.unavailable : reasons.invalid;
  const body = `<h1>${title}</h1><p>${reason}</p><p><a href="${escape(startPath)}">${again}</a></p><p>${number}: <code>${escape(requestId)}</code> <code>${code}</code></p>`;
  return page(language, status, title, body);
}

/** The language that a browser prefers of ours. */
export function languageOf(acceptLanguage: string | undefined): Language {
  return /^\s*es\b/i.test(acceptLanguage ?? "") ? Language.ES : Language.EN;
}

function page(language: Language, status: number, title: string, body: string, head = ""): Page {
  const html = `<!doctype html><html lang="${language.toLowerCase()}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">${head}<title>${title}</title></head><body><main>${body}</main></body></html>`;
  return { status, html };
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const texts: Record<Language, Record<"going" | "here" | "title" | "again" | "number" | "forbidden" | "unavailable" | "invalid", string>> = {
  [Language.EN]: {
    going: "One moment, please.",
    here: "Go on",
    title: "You are not signed in",
    again: "Start again",
    number: "If you ask for help, say this number",
    forbidden: "Your organisation's sign-in does not open this mailbox. Ask your administrator.",
    unavailable: "Your organisation's sign-in cannot be reached for now. Try again shortly. Other ways to sign in still work.",
    invalid: "This sign-in has expired, was used before or could not be confirmed. Start again.",
  },
  [Language.ES]: {
    going: "Un momento, por favor.",
    here: "Continuar",
    title: "No ha iniciado sesión",
    again: "Empezar de nuevo",
    number: "Si pide ayuda, indique este número",
    forbidden: "El inicio de sesión de su organización no abre este buzón. Consulte a su administrador.",
    unavailable:
      "El inicio de sesión de su organización no está disponible por ahora. Inténtelo de nuevo en breve. Las demás formas de entrar siguen funcionando.",
    invalid: "Este inicio de sesión ha caducado, ya se usó o no se pudo confirmar. Empiece de nuevo.",
  },
};
