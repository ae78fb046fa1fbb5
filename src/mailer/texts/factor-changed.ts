import { SecondFactorMethod } from "../../graphql/second-factor-method.ts";
import type { MailTexts } from "../mail-text.ts";

/** What was done: `renewed` are recovery codes in the place of older ones. */
export type FactorChange = "added" | "removed" | "renewed";

/** That somebody's passkeys, authenticator app or recovery codes changed. */
export interface FactorChangedData {
  readonly change: FactorChange;
  readonly method: SecondFactorMethod;
}

const english = {
  [SecondFactorMethod.PASSKEY]: "a passkey",
  [SecondFactorMethod.TOTP]: "an authenticator app",
  [SecondFactorMethod.RECOVERY_CODE]: "recovery codes",
};

const spanish = {
  [SecondFactorMethod.PASSKEY]: "una clave de acceso (passkey)",
  [SecondFactorMethod.TOTP]: "una aplicación de autenticación",
  [SecondFactorMethod.RECOVERY_CODE]: "códigos de recuperación",
};

const happened: { readonly [change in FactorChange]: { EN: (what: string) => string; ES: (what: string) => string } } = {
  added: { EN: (what) => `${what} can be used from now on`, ES: (what) => `desde ahora se puede usar ${what}` },
  removed: { EN: (what) => `${what} was removed`, ES: (what) => `se eliminó ${what}` },
  renewed: { EN: (what) => `new ${what} replace the old ones`, ES: (what) => `nuevos ${what} sustituyen a los anteriores` },
};

export const factorChanged: MailTexts<FactorChangedData> = {
  EN: ({ change, method }, { organisation }) => ({
    subject: `How you sign in to secure mail from ${organisation} has changed`,
    paragraphs: [
      `Somebody who was signed in changed how your account is protected: ${happened[change].EN(english[method])}.`,
      `If that was you, there is nothing to do. If not, sign in at our address, which you type yourself, end all sessions and change your password, or call us.`,
    ],
  }),
  ES: ({ change, method }, { organisation }) => ({
    subject: `Ha cambiado cómo entra en el correo seguro de ${organisation}`,
    paragraphs: [
      `Alguien que había iniciado sesión cambió cómo se protege su cuenta: ${happened[change].ES(spanish[method])}.`,
      `Si fue usted, no tiene que hacer nada. Si no, escriba usted mismo nuestra dirección, inicie sesión, cierre todas las sesiones y cambie su contraseña, o llámenos.`,
    ],
  }),
};
