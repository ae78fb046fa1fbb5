import type { MailTexts } from "../mail-text.ts";

/** Tells an account's owner that something about it was changed, so that whoever did not do it learns of it. */
export interface AccountChangedData {
  readonly what: "PASSWORD" | "ADDRESS" | "CLOSED";
}

const english = {
  PASSWORD: ["Your password was changed", "The password of your account was changed. Wherever else you were signed in, you no longer are."],
  ADDRESS: ["Your e-mail address was changed", "The e-mail address of your account was changed. We wrote this to the old address and to the new one."],
  CLOSED: ["Your account was closed", "Your account was closed. Mail that is still there is deleted on its own day; a later notice lets you enrol anew."],
} as const;

const spanish = {
  PASSWORD: ["Su contraseña ha cambiado", "La contraseña de su cuenta ha cambiado. Las demás sesiones que tenía abiertas se han cerrado."],
  ADDRESS: ["Su dirección de correo ha cambiado", "La dirección de correo de su cuenta ha cambiado. Escribimos esto a la dirección anterior y a la nueva."],
  CLOSED: [
    "Su cuenta se ha cerrado",
    "Su cuenta se ha cerrado. Los mensajes que quedan se borran en su día; con un aviso posterior puede registrarse de nuevo.",
  ],
} as const;

export const accountChanged: MailTexts<AccountChangedData> = {
  EN: ({ what }, { organisation, publicUrl }) => ({
    subject: `${english[what][0]}: secure mail from ${organisation}`,
    paragraphs: [english[what][1], `If that was not you, tell us at once: type our address ${publicUrl} yourself, where you find whom to call.`],
  }),
  ES: ({ what }, { organisation, publicUrl }) => ({
    subject: `${spanish[what][0]}: correo seguro de ${organisation}`,
    paragraphs: [spanish[what][1], `Si no fue usted, avísenos enseguida: escriba usted mismo nuestra dirección ${publicUrl}; allí encontrará a quién llamar.`],
  }),
};
