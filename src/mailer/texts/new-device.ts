import type { MailTexts } from "../mail-text.ts";

/** A sign-in on a device that the account had not used before. */
export interface NewDeviceData {
  /** When, in ISO 8601. */
  readonly at: string;
  /** Names from a fixed list, the same in every language; null for what is not on it. */
  readonly browser: string | null;
  readonly system: string | null;
}

/** In UTC, since we know nobody's own time. */
function timeIn(locale: string, at: string): string {
  return `${new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short", timeZone: "UTC" }).format(new Date(at))} (UTC)`;
}

export const newDevice: MailTexts<NewDeviceData> = {
  EN: ({ at, browser, system }, { organisation, publicUrl }) => ({
    subject: `A new device signed in to your secure mailbox at ${organisation}`,
    paragraphs: [
      `Your account was used to sign in on a device that it had not been used on before: ${browser ?? "an app"}${system === null ? "" : ` on ${system}`}, ${timeIn("en-GB", at)}.`,
      "If that was you, you need do nothing.",
      `If it was not you, open your browser, type our address ${publicUrl} yourself and sign in. Revoke that device in the list of your devices, which ends its session at once, then change your password.`,
    ],
  }),
  ES: ({ at, browser, system }, { organisation, publicUrl }) => ({
    subject: `Un dispositivo nuevo entró en su buzón seguro de ${organisation}`,
    paragraphs: [
      `Se entró en su cuenta desde un dispositivo en el que no se había usado antes: ${browser ?? "una aplicación"}${system === null ? "" : ` en ${system}`}, ${timeIn("es-ES", at)}.`,
      "Si fue usted, no tiene que hacer nada.",
      `Si no fue usted, abra su navegador, escriba usted mismo nuestra dirección ${publicUrl} y entre. Revoque ese dispositivo en la lista de sus dispositivos, lo que termina su sesión de inmediato, y después cambie su contraseña.`,
    ],
  }),
};
