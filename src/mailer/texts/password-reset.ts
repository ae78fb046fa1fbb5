import type { MailTexts } from "../mail-text.ts";
import type { ValidationCodeData } from "./validation-code.ts";

/** A one-time code with which a forgotten password is replaced; with a link that shows a page, since mail scanners open links. */
export const passwordReset: MailTexts<ValidationCodeData> = {
  EN: ({ code, url, minutes }, { organisation }) => ({
    subject: `A new password for secure mail from ${organisation}`,
    paragraphs: [
      `Somebody asked to set a new password for your account for secure mail from ${organisation}. If that was you, type this code on the page that asked for it, or use the link.`,
      `Both work once, for ${minutes} minutes. If it was not you, do nothing: your password stays as it is. We never ask for this code by telephone or e-mail.`,
    ],
    code,
    link: { label: "Set a new password", url },
  }),
  ES: ({ code, url, minutes }, { organisation }) => ({
    subject: `Una contraseña nueva para el correo seguro de ${organisation}`,
    paragraphs: [
      `Alguien pidió cambiar la contraseña de su cuenta del correo seguro de ${organisation}. Si fue usted, escriba este código en la página que lo pidió, o use el enlace.`,
      `Ambos sirven una sola vez, durante ${minutes} minutos. Si no fue usted, no haga nada: su contraseña no cambia. Nunca pedimos este código por teléfono ni por correo.`,
    ],
    code,
    link: { label: "Elegir una contraseña nueva", url },
  }),
};
