/**
 * Whatever keeps the master keys: a file, AWS KMS, HashiCorp Vault. It wraps the data keys that seal content and never
 * sees content. `context` names the data key and is bound to the wrapping: unwrapping under another context fails.
 */
export interface Keyring {
  /** Wraps a data key of 32 bytes under the present master key, and says which that was. */
  wrap(dataKey: Buffer, context: string): Promise<{ wrapped: Buffer; masterKeyId: string }>;
  /** Unwraps what `wrap` made, under whichever master key it was. Throws if that is gone or the bytes are not its own. */
  unwrap(wrapped: Buffer, context: string): Promise<Buffer>;
  /** The master key that wraps from now on; what stands under another is to be wrapped again. */
  presentMasterKey(): Promise<string>;
}
