import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type CacheProvider, SAML, type SamlConfig, ValidateInResponseTo } from "@node-saml/passport-saml";
import { MINUTE, SECOND } from "../clock.ts";
import type { Config, SamlSettings } from "../config.ts";
import { publicUrlOf } from "./oidc-sign-in.ts";
import { REQUEST_MINUTES } from "./sign-in-request.ts";

/** The paths that are registered at the identity provider. */
export const SAML_ACS = "/sign-in/saml/acs";
export const SAML_LOGOUT = "/sign-in/saml/logout";
export const SAML_METADATA = "/sign-in/saml/metadata";

/** How far the provider's clock may be from ours. */
export const CLOCK_SKEW_SECONDS = 30;

const nothingKept: CacheProvider = { saveAsync: async () => null, getAsync: async () => null, removeAsync: async () => null };

/** What node-saml is told. It judges times by the machine's clock: the provider's is not moved with a sandbox. */
export async function samlConfigOf(config: Config, settings: SamlSettings, requests: CacheProvider = nothingKept): Promise<SamlConfig> {
  const publicUrl = publicUrlOf(config);
  return {
    entryPoint: settings.entryPoint,
    issuer: entityIdOf(config, settings),
    audience: entityIdOf(config, settings),
    callbackUrl: `${publicUrl}${SAML_ACS}`,
    idpIssuer: settings.idpIssuer,
    idpCert: certificatesIn(await readFile(settings.idpCert, "utf8")),
    logoutUrl: settings.logoutUrl ?? settings.entryPoint,
    logoutCallbackUrl: `${publicUrl}${SAML_LOGOUT}`,
    identifierFormat: null,
    disableRequestedAuthnContext: true, // How people prove themselves is the provider's business
    wantAssertionsSigned: true,
    wantAuthnResponseSigned: false, // Of an answer only the assertion is believed, and that is signed
    validateInResponseTo: ValidateInResponseTo.always,
    requestIdExpirationPeriodMs: REQUEST_MINUTES * MINUTE,
    cacheProvider: requests,
    acceptedClockSkewMs: CLOCK_SKEW_SECONDS * SECOND,
    maxAssertionAgeMs: REQUEST_MINUTES * MINUTE,
    signatureAlgorithm: "sha256",
    digestAlgorithm: "sha256",
    ...(settings.signingKey === null ? {} : { privateKey: privateKeyIn(await readFile(settings.signingKey, "utf8")) }),
  };
}

/** What we are called at the provider. */
export function entityIdOf(config: Config, { issuer }: SamlSettings): string {
  return issuer ?? `${publicUrlOf(config)}${SAML_METADATA}`;
}

/** What the provider reads of us: our names, addresses and certificate. */
export async function samlMetadata(config: Config, settings: SamlSettings): Promise<string> {
  const [certificate = null] = settings.signingKey === null ? [] : certificatesIn(await readFile(settings.signingKey, "utf8"));
  return new SAML(await samlConfigOf(config, settings)).generateServiceProviderMetadata(null, certificate);
}

/** Reads the files that SAML needs, so that one that does not hold is said at the start and not to the first employee. */
export async function checkSingleSignOn(config: Config): Promise<void> {
  const { singleSignOn } = config;
  if (singleSignOn?.kind === "saml") await samlMetadata(config, singleSignOn);
  if (singleSignOn?.kind === "oidc" && singleSignOn.clientSecretFile) await readFile(singleSignOn.clientSecretFile, "utf8");
}

function certificatesIn(pem: string): string[] {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) throw new Error("A file that SAML needs holds no certificate (PEM)");
  return certificates.map((certificate) => new X509Certificate(certificate).toString());
}

function privateKeyIn(pem: string): string {
  const [key] = pem.match(/-----BEGIN (?:RSA )?PRIVATE KEY-----[^-]+-----END (?:RSA )?PRIVATE KEY-----/) ?? [];
  if (key === undefined) throw new Error("The file SAML_SIGNING_KEY holds no private key (PEM)");
  return key;
}
