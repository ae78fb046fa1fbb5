import type { MailTexts } from "../mail-text.ts";
import { type NoticeData, noticeUrl } from "./notice.ts";

/** Tells somebody of several messages together: once a day where they chose that, or because very many came at once. */
export interface DigestData extends NoticeData {
  /** How many are unread. */
  readonly waiting: number;
  /** How many of them are deleted within 30 days. */
  readonly expiring: number;
}

export const digest: MailTexts<DigestData> = {
  EN: ({ token, reference, waiting, expiring }, { organisation, publicUrl }) => ({
    subject: waiting === 1 ? `A secure message from ${organisation} waits for you` : `${waiting} secure messages from ${organisation} wait for you`,
    paragraphs: [
      `${waiting === 1 ? "1 message waits" : `${waiting} messages wait`} for you in your secure mailbox at ${organisation}. To read ${waiting === 1 ? "it" : "them"}, log in there.`,
      ...(expiring === 0 ? [] : [`${expiring} of them will be deleted within 30 days.`]),
      "For your safety this mail says nothing more about what waits, and we never ask for your password by telephone or e-mail.",
    ],
    link: { label: "Go to your secure mailbox", url: noticeUrl(publicUrl, token) },
    reference,
  }),
  ES: ({ token, reference, waiting, expiring }, { organisation, publicUrl }) => ({
    subject: waiting === 1 ? `Le espera un mensaje seguro de ${organisation}` : `Le esperan ${waiting} mensajes seguros de ${organisation}`,
    paragraphs: [
      `${waiting === 1 ? "Le espera 1 mensaje" : `Le esperan ${waiting} mensajes`} en su buzón seguro de ${organisation}. Para ${waiting === 1 ? "leerlo" : "leerlos"}, inicie sesión allí.`,
      ...(expiring === 0 ? [] : [`${expiring} de ellos se ${expiring === 1 ? "borrará" : "borrarán"} en menos de 30 días.`]),
      "Por su seguridad, este correo no dice nada más sobre lo que le espera, y nunca pedimos su contraseña por teléfono ni por correo.",
    ],
    link: { label: "Ir a su buzón seguro", url: noticeUrl(publicUrl, token) },
    reference,
  }),
};
