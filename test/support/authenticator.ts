import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

/** What a passkey is asked for with, as far as this authenticator looks at it. */
export interface PasskeyOptions {
  readonly challenge?: unknown;
  readonly rp?: { readonly id?: unknown };
  readonly rpId?: unknown;
  readonly user?: { readonly id?: unknown };
}

/** What it shall do wrong. */
export interface Misbehaviour {
  /** The page that asks. */
  readonly origin?: string;
  /** Whom the passkey is made for or signs for. */
  readonly rpId?: string;
  readonly challenge?: string;
  /** Whether its owner was asked for a PIN or a finger. */
  readonly userVerified?: boolean;
  /** What it says it has signed. */
  readonly counter?: number;
  readonly userHandle?: string;
}

const USER_PRESENT = 0x01;
const USER_VERIFIED = 0x04;
const ATTESTED = 0x40;
const P256_COORDINATE = 32;

/** A passkey in software, on node:crypto and CBOR by hand: ES256, attestation "none", a counter that grows. */
export class Authenticator {
  readonly id = randomBytes(16);
  counter = 0;
  #userHandle = "";
  readonly #publicKey: KeyObject;
  readonly #privateKey: KeyObject;

  constructor(private readonly origin: string) {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#publicKey = publicKey;
    this.#privateKey = privateKey;
  }

  /** Answers `navigator.credentials.create()`, as its `toJSON()`. */
  create({ challenge, rp, user }: PasskeyOptions, wrong: Misbehaviour = {}): Record<string, unknown> {
    this.#userHandle = String(user?.id);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(this.id.length);
    const attested = Buffer.concat([Buffer.alloc(16), length, this.id, this.#coseKey()]);
    const authData = Buffer.concat([this.#authenticatorData(wrong.rpId ?? String(rp?.id), ATTESTED, wrong), attested]);
    const attestationObject = map([
      [text("fmt"), text("none")],
      [text("attStmt"), map([])],
      [text("authData"), bytes(authData)],
    ]);
    return this.#credential({
      clientDataJSON: this.#clientData("webauthn.create", challenge, wrong).toString("base64url"),
      attestationObject: attestationObject.toString("base64url"),
      transports: ["internal", "hybrid"],
    });
  }

  /** Answers `navigator.credentials.get()`, as its `toJSON()`. */
  get({ challenge, rpId }: PasskeyOptions, wrong: Misbehaviour = {}): Record<string, unknown> {
    this.counter += 1;
    const clientData = this.#clientData("webauthn.get", challenge, wrong);
    const authenticatorData = this.#authenticatorData(wrong.rpId ?? String(rpId), 0, wrong);
    const signature = sign("sha256", Buffer.concat([authenticatorData, createHash("sha256").update(clientData).digest()]), this.#privateKey);
    return this.#credential({
      clientDataJSON: clientData.toString("base64url"),
      authenticatorData: authenticatorData.toString("base64url"),
      signature: signature.toString("base64url"),
      userHandle: wrong.userHandle ?? this.#userHandle,
    });
  }

  #credential(response: object): Record<string, unknown> {
    const id = this.id.toString("base64url");
    return { id, rawId: id, type: "public-key", authenticatorAttachment: "platform", clientExtensionResults: {}, response };
  }

  #clientData(type: string, challenge: unknown, wrong: Misbehaviour): Buffer {
    return Buffer.from(JSON.stringify({ type, challenge: wrong.challenge ?? challenge, origin: wrong.origin ?? this.origin, crossOrigin: false }));
  }

  #authenticatorData(rpId: string, flags: number, { userVerified = true, counter = this.counter }: Misbehaviour): Buffer {
    const signed = Buffer.alloc(4);
    signed.writeUInt32BE(counter);
    const allFlags = flags | USER_PRESENT | (userVerified ? USER_VERIFIED : 0);
    return Buffer.concat([createHash("sha256").update(rpId).digest(), Buffer.of(allFlags), signed]);
  }

  /** The public key as RFC 9053 writes it: EC2, ES256, P-256, x and y. */
  #coseKey(): Buffer {
    const point = this.#publicKey.export({ format: "der", type: "spki" }).subarray(-2 * P256_COORDINATE);
    return map([
      [integer(1), integer(2)],
      [integer(3), integer(-7)],
      [integer(-1), integer(1)],
      [integer(-2), bytes(point.subarray(0, P256_COORDINATE))],
      [integer(-3), bytes(point.subarray(P256_COORDINATE))],
    ]);
  }
}

/** The head of a CBOR item (RFC 8949): its major type and a number. */
function head(major: number, value: number): Buffer {
  const type = major << 5;
  if (value < 24) return Buffer.of(type | value);
  if (value < 256) return Buffer.of(type | 24, value);
  return Buffer.of(type | 25, value >> 8, value & 255);
}

function integer(value: number): Buffer {
  return value >= 0 ? head(0, value) : head(1, -1 - value);
}

function bytes(value: Buffer): Buffer {
  return Buffer.concat([head(2, value.length), value]);
}

function text(value: string): Buffer {
  return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
}

function map(entries: [Buffer, Buffer][]): Buffer {
  return Buffer.concat([head(5, entries.length), ...entries.flat()]);
}
