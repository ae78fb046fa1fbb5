import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { jsonOf, listenOnLoopback, type Loopback } from "./loopback.ts";

/** An endpoint that speaks the HTTP API of Vault's Transit engine as far as a keyring uses it, strictly: one key, `transit/mailbox`. */
export interface Transit extends Loopback {
  /** The tokens that it takes. */
  readonly tokens: Set<string>;
  /** The paths it was asked for, answered or not. */
  readonly asked: string[];
  /** The namespace that the last request named. */
  namespace: string | undefined;
  /** What is wrong with it for now: a status that it answers everything with, or silence. */
  trouble: 302 | 412 | 429 | 503 | "nonsense" | "silence" | null;
  /** Happens before a request is answered. */
  meanwhile: () => Promise<void>;
  /** Makes another version of the key, which encrypts from now on. */
  rotate(): void;
  /** Raises `min_decryption_version`, so that versions before decrypt no more. */
  retireBefore(version: number): void;
}

const isBase64 = (value: unknown): value is string => typeof value === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(value);

/** Starts one whose key has one version. */
export async function startTransit(): Promise<Transit> {
  const versions = [randomBytes(32)];
  let least = 1;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const reply = (status: number, body: object): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    const fail = (status: number, ...errors: string[]): void => reply(status, { errors });
    const { method, headers, url = "" } = request;
    transit.asked.push(`${method} ${url}`);
    await transit.meanwhile();
    transit.namespace = headers["x-vault-namespace"]?.toString();
    if (transit.trouble === "silence") return;
    if (transit.trouble === "nonsense") return void response.writeHead(200).end("<html>");
    if (transit.trouble === 302) return void response.writeHead(302, { location: "/v1/elsewhere" }).end();
    if (transit.trouble !== null) return fail(transit.trouble, transit.trouble === 503 ? "Vault is sealed" : "not now");
    if (headers["x-vault-request"] !== "true") return fail(412, "required 'X-Vault-Request' header is missing or invalid");
    if (!transit.tokens.has(String(headers["x-vault-token"]))) return fail(403, "permission denied", "invalid token");
    if (method === "GET" && url === "/v1/transit/keys/mailbox")
      return reply(200, { data: { name: "mailbox", type: "aes256-gcm96", latest_version: versions.length, min_decryption_version: least } });
    if (method !== "POST") return fail(405, "unsupported operation");
    const { plaintext, ciphertext, associated_data: data } = await jsonOf(request);
    if (!isBase64(data)) return fail(400, "failed to base64-decode associated_data");
    if (url === "/v1/transit/encrypt/mailbox") {
      const key = versions.at(-1);
      if (!isBase64(plaintext) || key === undefined) return fail(400, "missing plaintext");
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(data, "base64"));
      const sealed = Buffer.concat([nonce, cipher.update(plaintext, "base64"), cipher.final(), cipher.getAuthTag()]).toString("base64");
      return reply(200, { data: { ciphertext: `vault:v${versions.length}:${sealed}`, key_version: versions.length } });
    }
    if (url !== "/v1/transit/decrypt/mailbox") return fail(404);
    const [, version = "0", sealed = ""] = /^vault:v(\d+):(.+)$/.exec(String(ciphertext)) ?? [];
    if (Number(version) < least) return fail(400, "ciphertext or signature version is disallowed by policy (too old)");
    const key = versions[Number(version) - 1];
    if (key === undefined) return fail(400, "invalid ciphertext: no prefix");
    const bytes = Buffer.from(sealed, "base64");
    try {
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12)).setAAD(Buffer.from(data, "base64")).setAuthTag(bytes.subarray(-16));
      const opened = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
      reply(200, { data: { plaintext: opened.toString("base64") } });
    } catch {
      fail(400, "cipher: message authentication failed");
    }
  };

  const transit: Transit = {
    ...(await listenOnLoopback((request, response) => void answer(request, response))),
    tokens: new Set(),
    asked: [],
    namespace: undefined,
    trouble: null,
    meanwhile: async () => undefined,
    rotate: () => void versions.push(randomBytes(32)),
    retireBefore(version) {
      least = version;
    },
  };
  return transit;
}
