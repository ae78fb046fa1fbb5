/**
 * Whatever keeps the master keys: a file, AWS KMS, HashiCorp Vault. It wraps the data keys that seal content and never
 * sees content. `context` names the data key and is bound to the wrapping: unwrapping under another context fails.
 * Each method throws `KeyringUnavailable` while the keyring is away.
 */
export interface Keyring {
  /** Wraps a data key of 32 bytes under the present master key, and says which that was. */
  wrap(dataKey: Buffer, context: string): Promise<WrappedKey>;
  /** Unwraps what `wrap` made, under whichever master key it was. Throws `MasterKeyMissing` or `KeyringRefused` where it cannot. */
  unwrap(wrapped: Buffer, context: string): Promise<Buffer>;
  /** The master key that wraps from now on; what is stored under another one can be wrapped again. */
  presentMasterKey(): Promise<string>;
}

/** A data key as it is stored, beside the id of the master key that it needs. */
export interface WrappedKey {
  readonly wrapped: Buffer;
  readonly masterKeyId: string;
}

/** The keyring cannot be reached, is sealed, or asks to slow down: nothing is wrong with what was asked, try again. */
export class KeyringUnavailable extends Error {
  override readonly name = "KeyringUnavailable";

  constructor(
    keyring: string,
    readonly code: string,
  ) {
    super(`${keyring} is not available for now (${code}).`);
  }
}

/** The keyring answered and said no: no permission, a wrong setting, bytes or a context that do not fit. Asking again is of no use. */
export class KeyringRefused extends Error {
  override readonly name = "KeyringRefused";

  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

/** What was wrapped needs a master key that the keyring does not hold any more. */
export class MasterKeyMissing extends Error {
  override readonly name = "MasterKeyMissing";

  constructor(readonly masterKeyId: string) {
    super(`The master key ${masterKeyId} is missing from the keyring.`);
  }
}

/** What went wrong on the way to a service: the system's code, as clients wrap it, or the name of the error. */
export function codeOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (cause instanceof Error && "code" in cause && typeof cause.code === "string") return cause.code;
  return cause instanceof Error ? cause.name : "unknown";
}
