import { createSign, randomUUID, type KeyObject } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { SignedXml } from "xml-crypto";
import type { SamlSettings } from "../../src/config.ts";
import { selfSigned } from "./certificate.ts";

const RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256";
const EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";

/** What an answer says; a test changes what it wants to be wrong. */
export interface Statement {
  readonly inResponseTo: string;
  readonly nameId: string;
  readonly nameIdFormat: string;
  readonly attributes: Record<string, string[]>;
  readonly issuer: string;
  readonly audience: string;
  readonly recipient: string;
  readonly destination: string;
  readonly sessionIndex: string;
  readonly notBefore: Date;
  readonly notOnOrAfter: Date;
  readonly method: string;
}

/** A request of the server, as the provider reads it. */
export interface ReadRequest {
  readonly id: string;
  readonly xml: string;
  readonly search: URLSearchParams;
}

/** What is signed, with which key and how. */
export interface Signing {
  readonly key?: KeyObject;
  readonly algorithm?: string;
  readonly digest?: string;
  /** Which elements carry a signature. */
  readonly of?: readonly ("Assertion" | "Response")[];
}

/** A SAML identity provider without pages: it reads our requests and makes answers, good ones and others. */
export interface SamlIdentityProvider {
  readonly settings: SamlSettings;
  /** Reads what stands in an address that the server sent a browser to. */
  read(address: string): ReadRequest;
  /** An answer, signed, as XML. */
  answer(inResponseTo: string, changes?: Partial<Statement>, signing?: Signing): string;
  /** The same before anything is signed, and a way to sign it afterwards. */
  unsigned(inResponseTo: string, changes?: Partial<Statement>): string;
  sign(xml: string, signing?: Signing): string;
  /** A LogoutRequest as XML; not signed yet. */
  logoutRequest(nameId: string, changes?: Partial<{ sessionIndexes: string[]; issuer: string; destination: string; issueInstant: Date; id: string }>): string;
  signLogout(xml: string, key?: KeyObject): string;
  /** A message in the query of an address, signed as the redirect binding wants it. */
  redirect(address: string, xml: string, options?: { key?: KeyObject; relayState?: string; algorithm?: string }): string;
  close(): Promise<void>;
}

/** Makes the provider for a server that will be at this address. Its certificate lies in a file, as an operator has it. */
export async function createSamlIdentityProvider(appUrl: string): Promise<SamlIdentityProvider> {
  const folder = await mkdtemp(path.join(tmpdir(), "secure-mailbox-saml-"));
  const { privateKey, certificatePem } = selfSigned("idp.insurer.example");
  const ours = selfSigned("mail.insurer.example");
  const idpCert = path.join(folder, "idp.pem");
  const signingKey = path.join(folder, "sp.pem");
  await writeFile(idpCert, certificatePem);
  await writeFile(signingKey, ours.keyPem + ours.certificatePem);
  const settings: SamlSettings = {
    kind: "saml",
    name: "Example Health's sign-in",
    entryPoint: "https://idp.insurer.example/sso",
    idpIssuer: "https://idp.insurer.example/metadata",
    idpCert,
    logoutUrl: "https://idp.insurer.example/slo",
    issuer: null,
    signingKey,
    addressAttribute: "email",
    nameAttribute: "displayName",
    groupsAttribute: "groups",
    adminGroup: "mailbox-admins",
    employeeGroup: null,
  };
  const unsigned: SamlIdentityProvider["unsigned"] = (inResponseTo, changes = {}) => responseXml(statementOf(appUrl, settings, inResponseTo, changes));
  const sign: SamlIdentityProvider["sign"] = (xml, { key = privateKey, algorithm = RSA_SHA256, digest = SHA256, of = ["Assertion"] } = {}) =>
    of.reduce((signed, element) => signElement(signed, element, { key, algorithm, digest }), xml);
  return {
    settings,
    read(address) {
      const search = new URL(address).searchParams;
      const xml = inflateRawSync(Buffer.from(search.get("SAMLRequest") ?? search.get("SAMLResponse") ?? "", "base64")).toString();
      return { id: /\sID="([^"]+)"/.exec(xml)?.[1] ?? "", xml, search };
    },
    unsigned,
    sign,
    answer: (inResponseTo, changes, signing) => sign(unsigned(inResponseTo, changes), signing),
    logoutRequest(nameId, changes = {}) {
      const { sessionIndexes = [], issuer = settings.idpIssuer, destination = `${appUrl}/sign-in/saml/logout` } = changes;
      const { issueInstant = new Date(), id = `_${randomUUID()}` } = changes;
      const indexes = sessionIndexes.map((index) => `<samlp:SessionIndex>${index}</samlp:SessionIndex>`).join("");
      return `<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${id}" Version="2.0" IssueInstant="${issueInstant.toISOString()}" Destination="${destination}"><saml:Issuer>${issuer}</saml:Issuer><saml:NameID Format="${PERSISTENT}">${nameId}</saml:NameID>${indexes}</samlp:LogoutRequest>`;
    },
    signLogout: (xml, key = privateKey) => signElement(xml, "LogoutRequest", { key, algorithm: RSA_SHA256, digest: SHA256 }),
    redirect(address, xml, { key = privateKey, relayState = "", algorithm = RSA_SHA256 } = {}) {
      const query = new URLSearchParams({
        SAMLRequest: deflateRawSync(xml).toString("base64"),
        ...(relayState && { RelayState: relayState }),
        SigAlg: algorithm,
      });
      const hash = algorithm.endsWith("sha1") ? "sha1" : "sha256";
      query.set("Signature", createSign(hash).update(query.toString()).sign(key, "base64"));
      return `${address}?${query.toString()}`;
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

function statementOf(appUrl: string, settings: SamlSettings, inResponseTo: string, changes: Partial<Statement>): Statement {
  const now = Date.now();
  return {
    inResponseTo,
    nameId: "anna",
    nameIdFormat: PERSISTENT,
    attributes: { email: ["anna@insurer.example"], displayName: ["Anna Berg"], groups: ["staff"] },
    issuer: settings.idpIssuer,
    audience: `${appUrl}/sign-in/saml/metadata`,
    recipient: `${appUrl}/sign-in/saml/acs`,
    destination: `${appUrl}/sign-in/saml/acs`,
    sessionIndex: randomUUID(),
    notBefore: new Date(now - 60_000),
    notOnOrAfter: new Date(now + 300_000),
    method: "urn:oasis:names:tc:SAML:2.0:cm:bearer",
    ...changes,
  };
}

function responseXml(says: Statement): string {
  const now = new Date().toISOString();
  const attributes = Object.entries(says.attributes)
    .map(
      ([name, values]) =>
        `<saml:Attribute Name="${name}">${values.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`).join("")}</saml:Attribute>`,
    )
    .join("");
  const inResponseTo = says.inResponseTo && ` InResponseTo="${says.inResponseTo}"`;
  return (
    `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r${randomUUID()}" Version="2.0" IssueInstant="${now}" Destination="${says.destination}"${inResponseTo}>` +
    `<saml:Issuer>${says.issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>` +
    `<saml:Assertion ID="_a${randomUUID()}" Version="2.0" IssueInstant="${now}"><saml:Issuer>${says.issuer}</saml:Issuer>` +
    `<saml:Subject><saml:NameID Format="${says.nameIdFormat}">${says.nameId}</saml:NameID><saml:SubjectConfirmation Method="${says.method}">` +
    `<saml:SubjectConfirmationData NotOnOrAfter="${says.notOnOrAfter.toISOString()}" Recipient="${says.recipient}"${inResponseTo}/></saml:SubjectConfirmation></saml:Subject>` +
    `<saml:Conditions NotBefore="${says.notBefore.toISOString()}" NotOnOrAfter="${says.notOnOrAfter.toISOString()}"><saml:AudienceRestriction><saml:Audience>${says.audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
    `<saml:AuthnStatement AuthnInstant="${now}" SessionIndex="${says.sessionIndex}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>` +
    `<saml:AttributeStatement>${attributes}</saml:AttributeStatement></saml:Assertion></samlp:Response>`
  );
}

function signElement(xml: string, element: string, { key, algorithm, digest }: { key: KeyObject; algorithm: string; digest: string }): string {
  const xpath = `//*[local-name(.)='${element}']`;
  const signer = new SignedXml({
    privateKey: key.export({ type: "pkcs8", format: "pem" }).toString(),
    signatureAlgorithm: algorithm,
    canonicalizationAlgorithm: EXCLUSIVE,
  });
  signer.addReference({ xpath, transforms: [ENVELOPED, EXCLUSIVE], digestAlgorithm: digest });
  signer.computeSignature(xml, { location: { reference: `${xpath}/*[local-name(.)='Issuer']`, action: "after" } });
  return signer.getSignedXml();
}
