import type { Ctx } from "../context.ts";

/** Who asks for passkeys, in WebAuthn's words. */
export interface RelyingParty {
  /** The host name that passkeys belong to; they work nowhere else. */
  readonly id: string;
  readonly name: string;
  /** The only origin whose pages may ask for them. */
  readonly origin: string;
}

/** The signatures we take: EdDSA, ES256 and RS256, as COSE numbers them. What all authenticators have is among them. */
export const signatureAlgorithms = [-8, -7, -257];

/** The relying party of this server, by the address that people open. */
export function relyingPartyOf({ config, origin }: Ctx): RelyingParty {
  return { id: new URL(origin).hostname, name: config.organisation.name, origin };
}
