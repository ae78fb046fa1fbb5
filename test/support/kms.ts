import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { jsonOf, listenOnLoopback, type Loopback } from "./loopback.ts";

/** What is wrong with AWS KMS for now. */
export type KmsTrouble = "ThrottlingException" | "KMSInternalException" | "AccessDeniedException" | "silence";

/** An endpoint that speaks the protocol of AWS KMS (AWS JSON 1.1, Signature Version 4) as far as a keyring uses it, strictly. */
export interface Kms extends Loopback {
  /** ARNs by key id or alias: point an alias elsewhere to rotate. */
  readonly aliases: Map<string, string>;
  /** Operations it was asked for, answered or not. */
  readonly asked: string[];
  /** How the next requests fare, one each; after them all is well. */
  readonly troubles: KmsTrouble[];
  /** Makes a key and returns its ARN. */
  makeKey(): string;
  /** Deletes a key for good. */
  deleteKey(arn: string): void;
}

const SIGNED = /^AWS4-HMAC-SHA256 Credential=test-access-key\/\d{8}\/eu-central-1\/kms\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}$/;

/** Starts one without keys. */
export async function startKms(): Promise<Kms> {
  const keys = new Map<string, Buffer>();
  const aliases = new Map<string, string>();
  const asked: string[] = [];
  const troubles: KmsTrouble[] = [];

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const reply = (status: number, body: object): void => {
      response.writeHead(status, { "content-type": "application/x-amz-json-1.1", "x-amzn-requestid": randomUUID() }).end(JSON.stringify(body));
    };
    const fail = (type: string, status = 400): void => reply(status, { __type: type, message: "a message that nobody shall log" });
    const { headers } = request;
    const operation = /^TrentService\.(Encrypt|Decrypt)$/.exec(String(headers["x-amz-target"]))?.[1];
    if (request.method !== "POST" || request.url !== "/" || headers["content-type"] !== "application/x-amz-json-1.1") return fail("SerializationException");
    if (operation === undefined) return fail("UnknownOperationException");
    const signed = SIGNED.exec(headers.authorization ?? "")?.[1]?.split(";") ?? [];
    const isSigned = ["host", "x-amz-date", "x-amz-target"].every((name) => signed.includes(name));
    if (!isSigned || !/^\d{8}T\d{6}Z$/.test(String(headers["x-amz-date"]))) return fail("IncompleteSignatureException");
    asked.push(operation);
    const trouble = troubles.shift();
    if (trouble === "silence") return;
    if (trouble !== undefined) return fail(trouble, trouble === "KMSInternalException" ? 500 : 400);
    const { KeyId, Plaintext, CiphertextBlob, EncryptionContext } = await jsonOf(request);
    const context = Buffer.from(JSON.stringify(EncryptionContext));
    if (operation === "Encrypt") {
      const arn = aliases.get(String(KeyId)) ?? String(KeyId);
      const key = keys.get(arn);
      if (key === undefined) return fail("NotFoundException");
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(context);
      const sealed = [cipher.update(String(Plaintext), "base64"), cipher.final(), cipher.getAuthTag()];
      const blob = Buffer.concat([Buffer.from(`${arn}\0`), nonce, ...sealed]);
      return reply(200, { CiphertextBlob: blob.toString("base64"), KeyId: arn, EncryptionAlgorithm: "SYMMETRIC_DEFAULT" });
    }
    const blob = Buffer.from(String(CiphertextBlob), "base64");
    const end = blob.indexOf(0);
    const arn = blob.toString("utf8", 0, Math.max(end, 0));
    const key = keys.get(arn);
    if (key === undefined) return fail(arn.startsWith("arn:") ? "NotFoundException" : "InvalidCiphertextException");
    try {
      const decipher = createDecipheriv("aes-256-gcm", key, blob.subarray(end + 1, end + 13))
        .setAAD(context)
        .setAuthTag(blob.subarray(-16));
      const plaintext = Buffer.concat([decipher.update(blob.subarray(end + 13, -16)), decipher.final()]);
      reply(200, { Plaintext: plaintext.toString("base64"), KeyId: arn, EncryptionAlgorithm: "SYMMETRIC_DEFAULT" });
    } catch {
      fail("InvalidCiphertextException");
    }
  };

  return {
    ...(await listenOnLoopback((request, response) => void answer(request, response))),
    aliases,
    asked,
    troubles,
    makeKey() {
      const arn = `arn:aws:kms:eu-central-1:111122223333:key/${randomUUID()}`;
      keys.set(arn, randomBytes(32));
      return arn;
    },
    deleteKey(arn) {
      keys.delete(arn);
    },
  };
}
