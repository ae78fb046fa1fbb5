import { inflateRawSync } from "node:zlib";
import { ProblemCode, refuse } from "../problem.ts";

const MAX_BYTES = 256 * 1024;

/**
 * What a SAML message may name as an algorithm: nothing with SHA-1 or MD5, no transform but the usual two. The values are
 * compared as they are written, so that none hides in a reference.
 */
const ALGORITHMS = new Set([
  "http://www.w3.org/2001/10/xml-exc-c14n#",
  "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
  "http://www.w3.org/2001/04/xmlenc#sha256",
  "http://www.w3.org/2001/04/xmldsig-more#sha384",
  "http://www.w3.org/2001/04/xmlenc#sha512",
]);

/** With what a message may be signed. */
const SIGNATURE_ALGORITHMS = new Set([
  "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
  "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
  "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
]);

/**
 * Reads a message that was posted. Refuses what no provider writes and only attacks need: comments, which split a name for
 * some readers; document types and entities; processing instructions; CDATA; weak or strange algorithms; too much of it.
 */
export function readPosted(base64: string): string {
  return plainXml(base64.length <= MAX_BYTES * 2 ? Buffer.from(base64, "base64") : Buffer.alloc(0));
}

/** Reads a message of the redirect binding: compressed, and never to more than it may hold. */
export function readRedirected(base64: string): string {
  try {
    return plainXml(inflateRawSync(Buffer.from(base64, "base64"), { maxOutputLength: MAX_BYTES }));
  } catch {
    return malformed();
  }
}

/**
 * The query of the redirect binding in the order in which it is signed (SAML Bindings 2.0, section 3.4.4.1), exactly as it
 * was encoded, without `Signature`. Refuses what is unsigned, weakly signed, doubled, or anything else than SAML's.
 */
export function signedQuery(search: string): { parameters: Record<string, string>; signed: string } {
  const raw = new Map<string, string>();
  for (const pair of search.replace(/^\?/, "").split("&")) {
    const name = pair.split("=", 1)[0] ?? "";
    if (!["SAMLRequest", "RelayState", "SigAlg", "Signature"].includes(name) || raw.has(name)) malformed();
    raw.set(name, pair);
  }
  const parameters = Object.fromEntries(new URLSearchParams([...raw.values()].join("&")));
  if (!parameters.SAMLRequest || !parameters.Signature || !SIGNATURE_ALGORITHMS.has(parameters.SigAlg ?? "")) malformed();
  const signed = ["SAMLRequest", "RelayState", "SigAlg"].flatMap((name) => raw.get(name) ?? []).join("&");
  return { parameters, signed };
}

/** The elements of a name below an element, as xml2js reads them. */
export function childrenOf(element: unknown, name: string): unknown[] {
  const children: unknown = typeof element === "object" && element !== null ? Reflect.get(element, name) : undefined;
  return Array.isArray(children) ? children : children === undefined ? [] : [children];
}

/** An attribute of an element, as xml2js reads it. */
export function attributeOf(element: unknown, name: string): string | null {
  const attributes: unknown = typeof element === "object" && element !== null ? Reflect.get(element, "$") : undefined;
  const value: unknown = typeof attributes === "object" && attributes !== null ? Reflect.get(attributes, name) : undefined;
  return typeof value === "string" ? value : null;
}

/** The text of an element, as xml2js reads it. */
export function textOf(element: unknown): string | null {
  const text: unknown = typeof element === "object" && element !== null ? Reflect.get(element, "_") : element;
  return typeof text === "string" && text.trim() !== "" ? text.trim() : null;
}

function plainXml(bytes: Buffer): string {
  const xml = bytes.toString();
  const body = xml.replace(/^\s*<\?xml [^<>?]*\?>/, "");
  if (bytes.length === 0 || bytes.length > MAX_BYTES || /<[!?]/.test(body)) malformed();
  for (const [, double, single] of body.matchAll(/\bAlgorithm\s*=\s*(?:"([^"]*)"|'([^']*)')?/g)) {
    const algorithm = double ?? single ?? "";
    if (!ALGORITHMS.has(algorithm) && !SIGNATURE_ALGORITHMS.has(algorithm)) malformed();
  }
  return xml;
}

function malformed(): never {
  return refuse(ProblemCode.INVALID_INPUT, "The message of your organisation's sign-in does not have the form it must have. Start again.");
}
