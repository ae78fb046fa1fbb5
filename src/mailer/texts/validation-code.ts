import type { MailTexts } from "../mail-text.ts";

/** A one-time code that proves that an address is read by whoever asked; with a link that shows a button, since mail scanners open links. */
export interface ValidationCodeData {
  readonly code: string;
  readonly url: string;
  /** For how long both hold. */
  readonly minutes: number;
}

export const validationCode: MailTexts<ValidationCodeData> = {
  EN: ({ code, url, minutes }, { organisation }) => ({
    subject: `Your code for secure mail from ${organisation}`,
    paragraphs: [
      `Somebody asked to validate this e-mail address for secure mail from ${organisation}. If that was you, type this code on the page that asked for it, or use the link.`,
      `Both work once, for ${minutes} minutes. If it was not you, do nothing. We never ask for this code by telephone or e-mail.`,
    ],
    code,
    link: { label: "Validate this address", url },
  }),
  ES: ({ code, url, minutes }, { organisation }) => ({
    subject: `Su código para el correo seguro de ${organisation}`,
    paragraphs: [
      `Alguien pidió validar esta dirección de correo para el correo seguro de ${organisation}. Si fue usted, escriba este código en la página que lo pidió, o use el enlace.`,
      `Ambos sirven una sola vez, durante ${minutes} minutos. Si no fue usted, no haga nada. Nunca pedimos este código por teléfono ni por correo.`,
    ],
    code,
    link: { label: "Validar esta dirección", url },
  }),
};
