import type { MailTexts } from "../mail-text.ts";
import { type NoticeData, noticeUrl } from "./notice.ts";

/** Reminds somebody of a message that they have left unread for so many days. */
export interface ReminderData extends NoticeData {
  readonly days: number;
}

export const reminder: MailTexts<ReminderData> = {
  EN: ({ token, reference, days }, { organisation, publicUrl }) => ({
    subject: `Reminder: a secure message from ${organisation} waits for you`,
    paragraphs: [
      `A message has been waiting for you in your secure mailbox at ${organisation} for ${days} days. To read it, log in there.`,
      "For your safety this mail says nothing about the message. You can turn reminders off in your mailbox.",
    ],
    link: { label: "Go to your secure mailbox", url: noticeUrl(publicUrl, token) },
    reference,
  }),
  ES: ({ token, reference, days }, { organisation, publicUrl }) => ({
    subject: `Recordatorio: le espera un mensaje seguro de ${organisation}`,
    paragraphs: [
      `Un mensaje le espera desde hace ${days} días en su buzón seguro de ${organisation}. Para leerlo, inicie sesión allí.`,
      "Por su seguridad, este correo no dice nada sobre el mensaje. Puede desactivar los recordatorios en su buzón.",
    ],
    link: { label: "Ir a su buzón seguro", url: noticeUrl(publicUrl, token) },
    reference,
  }),
};
