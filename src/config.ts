import { randomBytes } from "node:crypto";
import { defaultLimits, type Limits } from "./limits.ts";
import type { ClamdAddress, SmtpServer } from "./setting-values.ts";
import { type Setting, settings } from "./settings.ts";

/** How mail leaves. Files are paths. */
export interface MailSettings {
  /** Null where no mail leaves. */
  readonly smtp: SmtpServer | null;
  /** Null believes whom Node believes. */
  readonly caFile: string | null;
  readonly from: string;
  /** Null has what cannot be delivered come back to `from`. */
  readonly bounceDomain: string | null;
  /** Null signs nothing. */
  readonly dkim: { readonly keyFile: string; readonly domain: string; readonly selector: string } | null;
}

/** How mail looks. */
export interface BrandSettings {
  /** `#rrggbb` */
  readonly colour: string;
  readonly logoFile: string | null;
  readonly supportContact: string | null;
}

/** Settings without which production does not start. */
export const requiredInProduction = ["DATABASE_URL", "PUBLIC_URL", "SECRET_KEY", "KEYRING", "ORGANISATION_NAME", "ORGANISATION_DOMAINS"] as const;

/** What keeps the master keys. */
export type KeyringSettings =
  { readonly kind: "file"; readonly path: string } | { readonly kind: "aws-kms"; readonly keyId: string } | ({ readonly kind: "vault" } & TransitSettings);

/** A key in Vault's Transit engine, and how to reach it. Of `token` and `tokenFile` one is empty. */
export interface TransitSettings {
  readonly mount: string;
  readonly key: string;
  readonly address: string;
  readonly token: string;
  readonly tokenFile: string;
  readonly namespace: string | null;
}

/** What single sign-on's two protocols share. */
interface ProviderSettings {
  /** What the login page calls it. */
  readonly name: string;
  /** The group whose members are administrators; null leaves roles alone. */
  readonly adminGroup: string | null;
  /** The group that one must be in to enter; null lets everybody of the organisation's domains in. */
  readonly employeeGroup: string | null;
}

/** An OpenID Connect provider. Of `clientSecret` and `clientSecretFile` at most one is set; neither is a public client. */
export interface OidcSettings extends ProviderSettings {
  readonly kind: "oidc";
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly clientSecretFile: string;
  readonly scopes: string;
  readonly verifiedClaim: string;
  readonly groupsClaim: string;
}

/** A SAML 2.0 identity provider. */
export interface SamlSettings extends ProviderSettings {
  readonly kind: "saml";
  readonly entryPoint: string;
  readonly idpIssuer: string;
  /** A file, like `signingKey`. */
  readonly idpCert: string;
  readonly logoutUrl: string | null;
  /** Null is the address of our metadata. */
  readonly issuer: string | null;
  readonly signingKey: string | null;
  readonly addressAttribute: string;
  readonly nameAttribute: string;
  readonly groupsAttribute: string;
}

/** What production needs where it runs the worker, which alone seals the ledger and sends mail. */
export const requiredByWorker = ["AUDIT_SIGNING_KEY", "SMTP_URL", "MAIL_FROM"] as const;

/** What the server was told, checked and frozen. `mode` is `demo` when nothing was set and `production` once a database is. */
export interface Config {
  readonly mode: "demo" | "production";
  readonly port: number;
  readonly host: string;
  /** Without a trailing slash; null until the port is known (demo without PUBLIC_URL). */
  readonly publicUrl: string | null;
  readonly allowedOrigins: readonly string[];
  /** Addresses and networks; none believes nobody. */
  readonly trustedProxies: readonly string[];
  readonly dataDir: string;
  /** Null keeps attachments in a folder below `dataDir`. */
  readonly s3: S3Config | null;
  readonly databaseUrl: string | null;
  readonly databasePoolSize: number;
  readonly demoPassword: string | null;
  /** Null in the demo until the data folder has given its own. */
  readonly secretKey: Buffer | null;
  /** Null in the demo, which makes a key file in its data folder. */
  readonly keyring: KeyringSettings | null;
  readonly organisation: { readonly name: string; readonly domains: readonly string[] };
  /** Of mail to people who have no account yet. */
  readonly defaultLanguage: "EN" | "ES";
  /** What people become who enrol by a notice: nobody knows better, and they can say what they like. */
  readonly enrolmentKind: "MEMBER" | "PROVIDER" | "BROKER" | "EMPLOYER";
  readonly session: { readonly idleMinutes: number; readonly hours: number };
  /** Whether external people may sign in by an e-mailed code. */
  readonly emailCodes: boolean;
  /** Who must have a second factor. */
  readonly requireSecondFactor: "staff" | "everyone" | "nobody";
  /** For how long somebody who has proved who they are may export and administer. */
  readonly stepUpMinutes: number;
  readonly introspection: "everyone" | "signed-in" | "nobody";
  readonly parts: readonly ("api" | "worker")[];
  readonly sandbox: boolean;
  /** Null where the data folder keeps its own, as in the demo. */
  readonly auditSigningKey: string | null;
  readonly auditPublishUrl: string | null;
  readonly mail: MailSettings;
  readonly brand: BrandSettings;
  readonly logLevel: string;
  /** Null where files are not scanned for malware. */
  readonly clamd: ClamdAddress | null;
  /** Null where employees sign in by their own means only. */
  readonly singleSignOn: OidcSettings | SamlSettings | null;
  readonly limits: Limits;
}

/** A bucket for attachments. Its credentials are the AWS SDK's own business. */
export interface S3Config {
  readonly bucket: string;
  /** What every object's name begins with: empty, or ending in a slash. */
  readonly prefix: string;
  /** Null is Amazon S3. */
  readonly endpoint: string | null;
  /** Null leaves it to the AWS SDK. */
  readonly region: string | null;
}

/** Settings that do not hold; the message lists every fault, one a line. */
export class ConfigError extends Error {
  constructor(readonly faults: readonly string[]) {
    super(faults.length === 1 ? faults[0] : `${faults.length} settings are wrong:\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
  }
}

/** Reads all settings from the environment. Throws one `ConfigError` that lists every fault together. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const faults: string[] = [];
  const read = <T>(name: keyof typeof settings, { parse, default: fallback }: Setting<T>, otherwise: T): T => {
    try {
      return parse(env[name]?.trim() || fallback);
    } catch (error) {
      faults.push(`${name} ${error instanceof Error ? error.message : "is wrong"}`);
      return otherwise;
    }
  };
  const mode = env.DATABASE_URL || env.NODE_ENV === "production" ? "production" : "demo";
  const demo = mode === "demo";
  const publicUrl = read("PUBLIC_URL", settings.PUBLIC_URL, null);
  const sandbox = read("SANDBOX", settings.SANDBOX, false);
  if (sandbox && env.NODE_ENV === "production") faults.push("SANDBOX must not be 1 in production");
  const requireSecondFactor = read("REQUIRE_SECOND_FACTOR", settings.REQUIRE_SECOND_FACTOR, null) ?? (demo ? "nobody" : "staff");
  if (requireSecondFactor === "nobody" && env.NODE_ENV === "production") faults.push("REQUIRE_SECOND_FACTOR must not be nobody in production");
  const parts = read("PARTS", settings.PARTS, []);
  const demoPassword = read("DEMO_PASSWORD", settings.DEMO_PASSWORD, "");
  const keyring = read("KEYRING", settings.KEYRING, null);
  const vault = {
    address: read("VAULT_ADDR", settings.VAULT_ADDR, null) ?? "",
    token: read("VAULT_TOKEN", settings.VAULT_TOKEN, null) ?? "",
    tokenFile: read("VAULT_TOKEN_FILE", settings.VAULT_TOKEN_FILE, ""),
    namespace: read("VAULT_NAMESPACE", settings.VAULT_NAMESPACE, null),
  };
  if (keyring?.kind === "vault") {
    if (!env.VAULT_ADDR?.trim()) faults.push(`VAULT_ADDR is missing: ${settings.VAULT_ADDR.about}`);
    if (!env.VAULT_TOKEN?.trim() === !env.VAULT_TOKEN_FILE?.trim()) faults.push("VAULT_TOKEN or VAULT_TOKEN_FILE must be set, and not both");
  }
  if (demo) {
    if (demoPassword.length < 15) faults.push("DEMO_PASSWORD must have at least 15 characters");
  } else {
    const required = [...requiredInProduction, ...(parts.includes("worker") ? requiredByWorker : [])];
    for (const name of required) if (!env[name]?.trim()) faults.push(`${name} is missing: ${settings[name].about}`);
    if (env.DEMO_PASSWORD) faults.push("DEMO_PASSWORD must not be set in production");
    if (publicUrl && !publicUrl.startsWith("https:") && env.NODE_ENV === "production") faults.push("PUBLIC_URL must begin with https: in production");
  }
  const oidc: OidcSettings = {
    kind: "oidc",
    name: read("SSO_NAME", settings.SSO_NAME, ""),
    issuer: read("OIDC_ISSUER", settings.OIDC_ISSUER, null) ?? "",
    clientId: read("OIDC_CLIENT_ID", settings.OIDC_CLIENT_ID, ""),
    clientSecret: read("OIDC_CLIENT_SECRET", settings.OIDC_CLIENT_SECRET, ""),
    clientSecretFile: read("OIDC_CLIENT_SECRET_FILE", settings.OIDC_CLIENT_SECRET_FILE, ""),
    scopes: read("OIDC_SCOPES", settings.OIDC_SCOPES, ""),
    verifiedClaim: read("OIDC_VERIFIED_CLAIM", settings.OIDC_VERIFIED_CLAIM, ""),
    groupsClaim: read("OIDC_GROUPS_CLAIM", settings.OIDC_GROUPS_CLAIM, ""),
    adminGroup: read("OIDC_ADMIN_GROUP", settings.OIDC_ADMIN_GROUP, null),
    employeeGroup: read("OIDC_EMPLOYEE_GROUP", settings.OIDC_EMPLOYEE_GROUP, null),
  };
  const saml: SamlSettings = {
    kind: "saml",
    name: oidc.name,
    entryPoint: read("SAML_ENTRY_POINT", settings.SAML_ENTRY_POINT, null) ?? "",
    idpIssuer: read("SAML_IDP_ISSUER", settings.SAML_IDP_ISSUER, ""),
    idpCert: read("SAML_IDP_CERT", settings.SAML_IDP_CERT, ""),
    logoutUrl: read("SAML_LOGOUT_URL", settings.SAML_LOGOUT_URL, null),
    issuer: read("SAML_ISSUER", settings.SAML_ISSUER, null),
    signingKey: read("SAML_SIGNING_KEY", settings.SAML_SIGNING_KEY, null),
    addressAttribute: read("SAML_ADDRESS_ATTRIBUTE", settings.SAML_ADDRESS_ATTRIBUTE, ""),
    nameAttribute: read("SAML_NAME_ATTRIBUTE", settings.SAML_NAME_ATTRIBUTE, ""),
    groupsAttribute: read("SAML_GROUPS_ATTRIBUTE", settings.SAML_GROUPS_ATTRIBUTE, ""),
    adminGroup: read("SAML_ADMIN_GROUP", settings.SAML_ADMIN_GROUP, null),
    employeeGroup: read("SAML_EMPLOYEE_GROUP", settings.SAML_EMPLOYEE_GROUP, null),
  };
  const [isOidc, isSaml] = [oidc.issuer !== "", saml.entryPoint !== ""];
  if (isOidc && isSaml) faults.push("OIDC_ISSUER and SAML_ENTRY_POINT must not both be set");
  const neededForSso = isOidc ? (["OIDC_CLIENT_ID", "PUBLIC_URL"] as const) : isSaml ? (["SAML_IDP_ISSUER", "SAML_IDP_CERT", "PUBLIC_URL"] as const) : [];
  for (const name of neededForSso) if (!env[name]?.trim() && (demo || name !== "PUBLIC_URL")) faults.push(`${name} is missing: ${settings[name].about}`);
  if (oidc.clientSecret && oidc.clientSecretFile) faults.push("OIDC_CLIENT_SECRET and OIDC_CLIENT_SECRET_FILE must not both be set");
  const bucket = read("BLOB_STORE", settings.BLOB_STORE, null);
  const s3 = { endpoint: read("S3_ENDPOINT", settings.S3_ENDPOINT, null), region: read("S3_REGION", settings.S3_REGION, null) };
  for (const name of ["S3_ENDPOINT", "S3_REGION"] as const)
    if (env[name]?.trim() && !env.BLOB_STORE?.trim()) faults.push(`${name} needs BLOB_STORE to name a bucket`);
  const domains = read("ORGANISATION_DOMAINS", settings.ORGANISATION_DOMAINS, []);
  const dkim = {
    keyFile: read("DKIM_KEY", settings.DKIM_KEY, null),
    domain: read("DKIM_DOMAIN", settings.DKIM_DOMAIN, null),
    selector: read("DKIM_SELECTOR", settings.DKIM_SELECTOR, null),
  };
  const dkimNames = ["DKIM_KEY", "DKIM_DOMAIN", "DKIM_SELECTOR"] as const;
  const missing = dkimNames.filter((name) => !env[name]?.trim());
  if (missing.length < dkimNames.length) for (const name of missing) faults.push(`${name} is missing: DKIM needs all three of ${dkimNames.join(", ")}`);
  const config: Config = {
    mode,
    port: read("PORT", settings.PORT, 0),
    host: read("HOST", settings.HOST, "") || (demo ? "127.0.0.1" : "0.0.0.0"),
    publicUrl,
    allowedOrigins: read("ALLOWED_ORIGINS", settings.ALLOWED_ORIGINS, []),
    trustedProxies: read("TRUSTED_PROXIES", settings.TRUSTED_PROXIES, []),
    dataDir: read("DATA_DIR", settings.DATA_DIR, ""),
    s3: bucket && { ...bucket, ...s3 },
    databaseUrl: read("DATABASE_URL", settings.DATABASE_URL, null),
    databasePoolSize: read("DATABASE_POOL_SIZE", settings.DATABASE_POOL_SIZE, 1),
    demoPassword: demo ? demoPassword : null,
    secretKey: read("SECRET_KEY", settings.SECRET_KEY, null),
    keyring: keyring?.kind === "vault" ? { ...keyring, ...vault } : keyring,
    organisation: { name: read("ORGANISATION_NAME", settings.ORGANISATION_NAME, ""), domains },
    defaultLanguage: read("DEFAULT_LANGUAGE", settings.DEFAULT_LANGUAGE, "EN"),
    enrolmentKind: read("ENROLMENT_KIND", settings.ENROLMENT_KIND, "MEMBER"),
    session: { idleMinutes: read("SESSION_IDLE_MINUTES", settings.SESSION_IDLE_MINUTES, 1), hours: read("SESSION_HOURS", settings.SESSION_HOURS, 1) },
    emailCodes: read("EMAIL_CODES", settings.EMAIL_CODES, false),
    requireSecondFactor,
    stepUpMinutes: read("STEP_UP_MINUTES", settings.STEP_UP_MINUTES, 1),
    introspection: read("INTROSPECTION", settings.INTROSPECTION, null) ?? (demo ? "everyone" : "signed-in"),
    parts,
    sandbox,
    auditSigningKey: read("AUDIT_SIGNING_KEY", settings.AUDIT_SIGNING_KEY, null),
    auditPublishUrl: read("AUDIT_PUBLISH_URL", settings.AUDIT_PUBLISH_URL, null),
    mail: {
      smtp: read("SMTP_URL", settings.SMTP_URL, null),
      caFile: read("SMTP_CA", settings.SMTP_CA, null),
      from: read("MAIL_FROM", settings.MAIL_FROM, null) ?? `no-reply@${domains[0] ?? "localhost"}`,
      bounceDomain: read("MAIL_BOUNCE_DOMAIN", settings.MAIL_BOUNCE_DOMAIN, null),
      dkim: dkim.keyFile && dkim.domain && dkim.selector ? { keyFile: dkim.keyFile, domain: dkim.domain, selector: dkim.selector } : null,
    },
    brand: {
      colour: read("BRAND_COLOUR", settings.BRAND_COLOUR, ""),
      logoFile: read("BRAND_LOGO", settings.BRAND_LOGO, null),
      supportContact: read("SUPPORT_CONTACT", settings.SUPPORT_CONTACT, null),
    },
    logLevel: read("LOG_LEVEL", settings.LOG_LEVEL, null) ?? (demo ? "warn" : "info"),
    clamd: read("CLAMD", settings.CLAMD, null),
    singleSignOn: isOidc ? oidc : isSaml ? saml : null,
    limits: defaultLimits,
  };
  if (faults.length > 0) throw new ConfigError(faults);
  return Object.freeze(config);
}

/** A fresh value for SECRET_KEY. */
export function newSecretKey(): string {
  return randomBytes(32).toString("base64");
}
