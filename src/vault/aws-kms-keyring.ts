import { DecryptCommand, EncryptCommand, KMSClient, KMSServiceException } from "@aws-sdk/client-kms";
import { codeOf, type Keyring, KeyringRefused, KeyringUnavailable, type WrappedKey } from "./keyring.ts";

/** A request that waits for a key must still be answered within five seconds. */
const DEADLINE_MS = 3000;
const ATTEMPT_MS = 1000;
const ATTEMPTS = 3;

/** How KMS says that it is asked too often: by name, with status 400. */
const throttled = new Set(["ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException"]);

/**
 * A symmetric key in AWS KMS. The context is bound as the encryption context `dataKey`, which CloudTrail shows. Region,
 * credentials and `AWS_ENDPOINT_URL_KMS` are found by the SDK itself. Needs `kms:Encrypt` and `kms:Decrypt`.
 */
export class AwsKmsKeyring implements Keyring {
  readonly #client = new KMSClient({
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: ATTEMPT_MS, requestTimeout: ATTEMPT_MS, throwOnRequestTimeout: true },
  });

  /** `keyId` is a key's id or ARN, or an alias: pointing that to another key rotates. */
  constructor(private readonly keyId: string) {}

  /** The master key is the ARN that KMS answers, not the alias we asked for. */
  async wrap(dataKey: Buffer, context: string): Promise<WrappedKey> {
    const command = new EncryptCommand({ KeyId: this.keyId, Plaintext: dataKey, EncryptionContext: { dataKey: context } });
    const { CiphertextBlob, KeyId } = await this.#answered("Encrypt", (abortSignal) => this.#client.send(command, { abortSignal }));
    if (CiphertextBlob === undefined || KeyId === undefined) throw refusal("Encrypt", "EMPTY_ANSWER");
    return { wrapped: Buffer.from(CiphertextBlob), masterKeyId: KeyId };
  }

  /** The ciphertext itself names the key it needs. */
  async unwrap(wrapped: Buffer, context: string): Promise<Buffer> {
    const command = new DecryptCommand({ CiphertextBlob: wrapped, EncryptionContext: { dataKey: context } });
    const { Plaintext } = await this.#answered("Decrypt", (abortSignal) => this.#client.send(command, { abortSignal }));
    if (Plaintext === undefined) throw refusal("Decrypt", "EMPTY_ANSWER");
    return Buffer.from(Plaintext);
  }

  /** Found by wrapping a byte: whoever may wrap may know, and no further permission is needed. */
  async presentMasterKey(): Promise<string> {
    return (await this.wrap(Buffer.alloc(1), "present-master-key")).masterKeyId;
  }

  async #answered<T>(operation: string, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    await this.#client.config.region().catch(() => {
      throw new KeyringRefused("AWS_REGION is missing: AWS KMS cannot be asked without it.", "REGION");
    });
    try {
      return await ask(AbortSignal.timeout(DEADLINE_MS));
    } catch (error) {
      if (!(error instanceof KMSServiceException)) throw new KeyringUnavailable("AWS KMS", codeOf(error)); // No answer, or nobody to ask as
      const status = error.$metadata.httpStatusCode ?? 0;
      if (status >= 500 || status === 429 || throttled.has(error.name)) throw new KeyringUnavailable("AWS KMS", error.name);
      throw refusal(operation, error.name);
    }
  }
}

function refusal(operation: string, code: string): KeyringRefused {
  return new KeyringRefused(`AWS KMS refused ${operation} (${code}).`, code);
}
