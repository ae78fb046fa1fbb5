import type { MailTexts } from "../mail-text.ts";
import { type NoticeData, noticeUrl } from "./notice.ts";

/** Warns somebody that a message which they have not read is deleted within so many days. */
export interface ExpiryNoticeData extends NoticeData {
  readonly days: number;
}

export const expiryNotice: MailTexts<ExpiryNoticeData> = {
  EN: ({ token, reference, days }, { organisation, publicUrl }) => ({
    subject: `A secure message from ${organisation} will soon be deleted`,
    paragraphs: [
      `A message that you have not read yet will be deleted from your secure mailbox at ${organisation} within ${days === 1 ? "one day" : `${days} days`}. To read it before, log in there.`,
      "For your safety this mail says nothing about the message. You can turn these warnings off in your mailbox.",
    ],
    link: { label: "Go to your secure mailbox", url: noticeUrl(publicUrl, token) },
    reference,
  }),
  ES: ({ token, reference, days }, { organisation, publicUrl }) => ({
    subject: `Un mensaje seguro de ${organisation} se borrará pronto`,
    paragraphs: [
      `Un mensaje que aún no ha leído se borrará de su buzón seguro de ${organisation} en ${days === 1 ? "menos de un día" : `menos de ${days} días`}. Para leerlo antes, inicie sesión allí.`,
      "Por su seguridad, este correo no dice nada sobre el mensaje. Puede desactivar estos avisos en su buzón.",
    ],
    link: { label: "Ir a su buzón seguro", url: noticeUrl(publicUrl, token) },
    reference,
  }),
};
