import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIPv4 } from "node:net";

/** A key and a certificate for it, as Node's TLS takes them (PEM). */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Somebody who certifies servers, for an hour and for tests only (X.509 v3, RFC 5280, written by hand: Node can only read them). */
export class CertificateAuthority {
  readonly #pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  /** What a client must believe. */
  readonly cert: string;

  constructor(private readonly name = "Test authority") {
    const isAuthority = extension("2.5.29.19", der(0x30, der(0x01, Buffer.from([0xff]))), true);
    this.cert = this.#certify(name, this.#pair.publicKey, isAuthority);
  }

  /** A server's certificate for these host names and addresses. */
  certify(...hosts: string[]): Certificate {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const names = hosts.map((host) => (isIPv4(host) ? der(0x87, Buffer.from(host.split(".").map(Number))) : der(0x82, Buffer.from(host))));
    const cert = this.#certify(hosts[0] ?? "", publicKey, extension("2.5.29.17", der(0x30, ...names), false));
    return { key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), cert };
  }

  #certify(subject: string, publicKey: KeyObject, extensions: Buffer): string {
    const algorithm = der(0x30, oid("1.2.840.10045.4.3.2")); // ECDSA with SHA-256
    const now = Date.now();
    const content = der(
      0x30,
      der(0xa0, der(0x02, Buffer.from([2]))),
      der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
      algorithm,
      nameOf(this.name),
      der(0x30, time(now - 3_600_000), time(now + 3_600_000)),
      nameOf(subject),
      publicKey.export({ type: "spki", format: "der" }),
      der(0xa3, der(0x30, extensions)),
    );
    const signature = sign("sha256", content, this.#pair.privateKey);
    const bytes = der(0x30, content, algorithm, der(0x03, Buffer.from([0]), signature));
    return `-----BEGIN CERTIFICATE-----\n${bytes.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
  }
}

function extension(id: string, value: Buffer, isCritical: boolean): Buffer {
  return der(0x30, oid(id), ...(isCritical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value));
}

function nameOf(commonName: string): Buffer {
  return der(0x30, der(0x31, der(0x30, oid("2.5.4.3"), der(0x0c, Buffer.from(commonName)))));
}

function time(at: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(at).toISOString().slice(2, 19).replace(/[-:T]/g, "")}Z`));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [40 * first + second, ...rest].flatMap((part) => {
    const digits = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return der(0x06, Buffer.from(bytes));
}

function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}
