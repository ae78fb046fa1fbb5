import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Config } from "../config.ts";

const MOST_LOGO_BYTES = 100 * 1024;
const FEWEST_KEY_BITS = 2048;

/** The files that the settings of mail name, each null where none is named. */
export interface MailFiles {
  /** Certificates, PEM. */
  readonly ca: string | null;
  /** RSA key, PEM. */
  readonly dkimKey: string | null;
  readonly logo: Logo | null;
}

/** A picture that goes with each mail. */
export interface Logo {
  readonly bytes: Buffer;
  readonly mediaType: "image/png" | "image/svg+xml";
}

/** Reads them; throws one clear line for what an operator can mend. Read anew for each run, so that they can be replaced. */
export async function readMailFiles({ mail, brand }: Config): Promise<MailFiles> {
  return {
    ca: await read("SMTP_CA", mail.caFile, certificates),
    dkimKey: await read("DKIM_KEY", mail.dkim?.keyFile ?? null, rsaKey),
    logo: await read("BRAND_LOGO", brand.logoFile, picture),
  };
}

async function read<T>(setting: string, file: string | null, parse: (bytes: Buffer) => T): Promise<T | null> {
  if (file === null) return null;
  try {
    return parse(await readFile(file));
  } catch (error) {
    throw new Error(`${setting} ${file} cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function certificates(bytes: Buffer): string {
  const ca = bytes.toString();
  if (!ca.includes("-----BEGIN CERTIFICATE-----")) throw new Error("it holds no CERTIFICATE in PEM");
  createSecureContext({ ca });
  return ca;
}

function rsaKey(bytes: Buffer): string {
  const key = createPrivateKey(bytes);
  if (key.asymmetricKeyType !== "rsa" || (key.asymmetricKeyDetails?.modulusLength ?? 0) < FEWEST_KEY_BITS)
    throw new Error(`it must be an RSA key of at least ${FEWEST_KEY_BITS} bits`);
  return bytes.toString();
}

function picture(bytes: Buffer): Logo {
  if (bytes.length > MOST_LOGO_BYTES) throw new Error(`it must have at most ${MOST_LOGO_BYTES / 1024} KB`);
  if (bytes.subarray(0, 8).equals(Buffer.from("89504e470d0a1a0a", "hex"))) return { bytes, mediaType: "image/png" };
  if (/^\s*(?:<\?xml|<svg)/.test(bytes.toString("utf8", 0, 200))) return { bytes, mediaType: "image/svg+xml" };
  throw new Error("it must be a PNG or an SVG");
}
