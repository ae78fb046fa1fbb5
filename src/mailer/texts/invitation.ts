import type { MailTexts } from "../mail-text.ts";

/** An employee's invitation to choose user ID and password. */
export interface InvitationData {
  /** Stands in the link, behind a hash sign, so that no server's log ever has it. */
  readonly token: string;
  /** For how long it holds. */
  readonly days: number;
}

export const invitation: MailTexts<InvitationData> = {
  EN: ({ token, days }, { organisation, publicUrl }) => ({
    subject: `Your account for secure mail at ${organisation}`,
    paragraphs: [
      `An administrator has made an account for secure mail at ${organisation} for this e-mail address. Use the link to choose your user ID and your password.`,
      `It works once, for ${days} days. If you did not expect this, do nothing and tell your administrator. Do not pass the link on: whoever uses it first gets the account.`,
    ],
    link: { label: "Choose user ID and password", url: welcomeUrl(publicUrl, token) },
  }),
  ES: ({ token, days }, { organisation, publicUrl }) => ({
    subject: `Su cuenta para el correo seguro de ${organisation}`,
    paragraphs: [
      `Un administrador ha creado una cuenta para el correo seguro de ${organisation} para esta dirección de correo. Use el enlace para elegir su identificador de usuario y su contraseña.`,
      `Sirve una sola vez, durante ${days} días. Si no lo esperaba, no haga nada y avise a su administrador. No reenvíe el enlace: quien lo use primero obtiene la cuenta.`,
    ],
    link: { label: "Elegir identificador y contraseña", url: welcomeUrl(publicUrl, token) },
  }),
};

/** Where somebody invited chooses user ID and password. Browsers keep what stands behind the hash sign to themselves. */
export function welcomeUrl(publicUrl: string, token: string): string {
  return `${publicUrl}/welcome#token=${token}`;
}
