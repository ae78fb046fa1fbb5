import type { MailTexts } from "../mail-text.ts";

/** What every notice carries: its token, which opens nothing, and the reference by which it can be verified. */
export interface NoticeData {
  readonly token: string;
  readonly reference: string;
}

/** Where the link of a notice leads: the login page, whatever has become of the message. */
export function noticeUrl(publicUrl: string, token: string): string {
  return `${publicUrl}/?notice=${token}`;
}

export const notice: MailTexts<NoticeData> = {
  EN: ({ token, reference }, { organisation, publicUrl }) => ({
    subject: `A secure message from ${organisation} waits for you`,
    paragraphs: [
      `A message waits for you in your secure mailbox at ${organisation}. To read it, log in there. If it is your first time, the page helps you to set up your access.`,
      "For your safety this mail says nothing about the message, and we never ask for your password by telephone or e-mail.",
    ],
    link: { label: "Go to your secure mailbox", url: noticeUrl(publicUrl, token) },
    reference,
  }),
  ES: ({ token, reference }, { organisation, publicUrl }) => ({
    subject: `Le espera un mensaje seguro de ${organisation}`,
    paragraphs: [
      `Le espera un mensaje en su buzón seguro de ${organisation}. Para leerlo, inicie sesión allí. Si es la primera vez, la página le ayudará a crear su acceso.`,
      "Por su seguridad, este correo no dice nada sobre el mensaje, y nunca pedimos su contraseña por teléfono ni por correo.",
    ],
    link: { label: "Ir a su buzón seguro", url: noticeUrl(publicUrl, token) },
    reference,
  }),
};
