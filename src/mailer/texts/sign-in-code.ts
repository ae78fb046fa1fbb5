import type { MailTexts } from "../mail-text.ts";

/** A one-time code to sign in with. No link: whoever asked has the page open. */
export interface SignInCodeData {
  readonly code: string;
  /** For how long it holds. */
  readonly minutes: number;
}

export const signInCode: MailTexts<SignInCodeData> = {
  EN: ({ code, minutes }, { organisation }) => ({
    subject: `Your code to sign in to secure mail from ${organisation}`,
    paragraphs: [
      `Somebody asked for a code to sign in to your secure mailbox at ${organisation}. If that was you, type it on the page that asks for it.`,
      `It works once, for ${minutes} minutes. If it was not you, do nothing and tell nobody the code. We never ask for it by telephone or e-mail.`,
    ],
    code,
  }),
  ES: ({ code, minutes }, { organisation }) => ({
    subject: `Su código para entrar en el correo seguro de ${organisation}`,
    paragraphs: [
      `Alguien pidió un código para entrar en su buzón seguro de ${organisation}. Si fue usted, escríbalo en la página que lo pide.`,
      `Sirve una sola vez, durante ${minutes} minutos. Si no fue usted, no haga nada ni diga el código a nadie. Nunca lo pedimos por teléfono ni por correo.`,
    ],
    code,
  }),
};
