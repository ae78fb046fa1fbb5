import { registerEnumType } from "type-graphql";

/** By what somebody proves more than that they know a password. */
export enum SecondFactorMethod {
  PASSKEY = "PASSKEY",
  TOTP = "TOTP",
  RECOVERY_CODE = "RECOVERY_CODE",
}

registerEnumType(SecondFactorMethod, {
  name: "SecondFactorMethod",
  description: "By what somebody proves more than that they know a password.",
  valuesConfig: {
    PASSKEY: { description: "A passkey (WebAuthn)." },
    TOTP: { description: "The six digits that an authenticator app shows (RFC 6238)." },
    RECOVERY_CODE: { description: "One of the codes that were shown once, for when all else is lost." },
  },
});
