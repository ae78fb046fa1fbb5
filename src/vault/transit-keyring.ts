import { readFile } from "node:fs/promises";
import type { TransitSettings } from "../config.ts";
import { codeOf, type Keyring, KeyringRefused, KeyringUnavailable, type WrappedKey } from "./keyring.ts";

/** A request that waits for a key must still be answered within five seconds. */
const DEADLINE_MS = 3000;

/** What Vault puts into the `data` of an answer, as far as we ask for it. */
interface TransitData {
  readonly plaintext?: string;
  readonly ciphertext?: string;
  readonly latest_version?: number;
}

interface Answer {
  readonly status: number;
  readonly data: TransitData | undefined;
}

type Operation = "encrypt" | "decrypt" | "keys";

/**
 * A key of type aes256-gcm96 in the Transit engine of HashiCorp Vault, or of OpenBao. The context is bound as associated
 * data. The master key is named with its version, such as `transit/mailbox:v3`, so that `rotate` in Vault shows.
 * The token needs `update` on `encrypt/<key>` and `decrypt/<key>`, and `read` on `keys/<key>`.
 */
export class TransitKeyring implements Keyring {
  constructor(private readonly settings: TransitSettings) {}

  async wrap(dataKey: Buffer, context: string): Promise<WrappedKey> {
    const { ciphertext = "" } = await this.#ask("encrypt", { plaintext: dataKey.toString("base64"), associated_data: base64(context) });
    const [, version] = /^vault:v(\d+):/.exec(ciphertext) ?? [];
    if (version === undefined) throw this.#refusal("encrypt", "EMPTY_ANSWER");
    return { wrapped: Buffer.from(ciphertext), masterKeyId: this.#masterKey(version) };
  }

  async unwrap(wrapped: Buffer, context: string): Promise<Buffer> {
    const { plaintext } = await this.#ask("decrypt", { ciphertext: wrapped.toString(), associated_data: base64(context) });
    if (plaintext === undefined) throw this.#refusal("decrypt", "EMPTY_ANSWER");
    return Buffer.from(plaintext, "base64");
  }

  async presentMasterKey(): Promise<string> {
    const { latest_version: version } = await this.#ask("keys");
    if (version === undefined) throw this.#refusal("keys", "EMPTY_ANSWER");
    return this.#masterKey(version);
  }

  #masterKey(version: string | number): string {
    return `${this.settings.mount}/${this.settings.key}:v${version}`;
  }

  async #ask(operation: Operation, body?: Record<string, string>): Promise<TransitData> {
    const { status, data } = await this.#send(operation, body);
    // 412: a replica that has not caught up yet. 429: a quota. 503: sealed, or without a leader.
    if (status >= 500 || status === 412 || status === 429) throw new KeyringUnavailable("Vault", String(status));
    if (status !== 200 || data === undefined) throw this.#refusal(operation, String(status));
    return data;
  }

  async #send(operation: Operation, body?: Record<string, string>): Promise<Answer> {
    const { address, mount, key, namespace } = this.settings;
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const send = async (token: string): Promise<Answer> => {
      const response = await fetch(`${address}/v1/${mount}/${operation}/${key}`, {
        method: body ? "POST" : "GET",
        headers: { "x-vault-token": token, "x-vault-request": "true", ...(namespace !== null && { "x-vault-namespace": namespace }) },
        body: body ? JSON.stringify(body) : null,
        redirect: "manual", // fetch would show the token to whomever it is sent on to
        signal,
      });
      const text = await response.text();
      const { data }: Partial<Answer> = response.status === 200 ? JSON.parse(text) : {};
      return { status: response.status, data };
    };
    const token = await this.#token();
    try {
      const answer = await send(token);
      if (answer.status !== 403) return answer;
      // An agent may have renewed the token since we read it
      const renewed = await this.#token();
      return renewed === token ? answer : await send(renewed);
    } catch (error) {
      throw error instanceof KeyringRefused ? error : new KeyringUnavailable("Vault", codeOf(error));
    }
  }

  /** The token of this moment. */
  async #token(): Promise<string> {
    const { token, tokenFile } = this.settings;
    if (tokenFile === "") return token;
    const text = await readFile(tokenFile, "utf8").catch((error: NodeJS.ErrnoException) => {
      throw new KeyringRefused(`The file of VAULT_TOKEN_FILE cannot be read (${error.code ?? error.name}).`, "TOKEN_FILE");
    });
    if (!/^[\x21-\x7e]+$/.test(text.trim())) throw new KeyringRefused("The file of VAULT_TOKEN_FILE holds no token.", "TOKEN_FILE");
    return text.trim();
  }

  #refusal(operation: string, code: string): KeyringRefused {
    const { mount, key } = this.settings;
    return new KeyringRefused(`Vault refused ${operation} with the key ${mount}/${key} (${code}).`, code);
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
