import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { defaultLimits, type Limits } from "./limits.ts";

/** One thing an operator can set. The README's table is checked against this list. */
interface Setting<T> {
  readonly default: string;
  readonly about: string;
  readonly parse: (text: string) => T;
}

/** Every environment variable the server reads, with its default and meaning. */
export const settings = {
  NODE_ENV: setting("", "`production` refuses to run as the demo", (text) => text),
  PORT: setting("4000", "port of the HTTP server; 0 takes a free one", integer(0, 65535)),
  HOST: setting("", "address to listen on; the demo listens on 127.0.0.1, production on 0.0.0.0", (text) => text),
  PUBLIC_URL: setting("", "address people open, used in links and cookies and as allowed origin; in production https", optional(url)),
  ALLOWED_ORIGINS: setting("", "further web origins that may open a WebSocket, separated by commas", list(origin)),
  TRUSTED_PROXIES: setting(
    "",
    "proxies whose `X-Forwarded-For` is believed, as addresses or networks (`10.0.0.0/8`), separated by commas; see `docs/operations.md`",
    list(network),
  ),
  DATA_DIR: setting("./data", "folder of attachments and, in the demo, of the database and the keys", (text) => text),
  BLOB_STORE: setting("", "`s3://bucket/prefix` keeps attachments in that bucket; unset in a folder below `DATA_DIR`", optional(s3Address)),
  S3_ENDPOINT: setting("", "address of an S3-compatible server; unset is Amazon S3", optional(url)),
  S3_REGION: setting("", "region of the bucket; unset is the AWS SDK's, with `S3_ENDPOINT` us-east-1", optional(region)),
  DATABASE_URL: setting("", "PostgreSQL 15 or newer; unset runs the demo on an embedded PostgreSQL", optional(databaseUrl)),
  DATABASE_POOL_SIZE: setting("4", "database connections of one process for requests", integer(1, 100)),
  DEMO_PASSWORD: setting("demo-password-1234", "password of the demo accounts, at least 15 characters; refused in production", (text) => text),
  SECRET_KEY: setting("", "32 random bytes in base64 that key stored hashes; the demo makes its own", optional(key)),
  KEYRING: setting(
    "",
    "what keeps the master keys: `file:<path>`, `aws-kms:<key id, ARN or alias>` or `vault:<mount>/<key name>`; the demo makes a file",
    optional(keyring),
  ),
  VAULT_ADDR: setting("", "address of HashiCorp Vault, with https unless it is on this machine", optional(vaultAddress)),
  VAULT_TOKEN: setting("", "token for Vault", optional(token)),
  VAULT_TOKEN_FILE: setting("", "file that holds the token for Vault, read anew each time", (text) => text),
  VAULT_NAMESPACE: setting("", "namespace in Vault Enterprise", optional(namespace)),
  ORGANISATION_NAME: setting("Example Health", "name shown to people", (text) => text),
  ORGANISATION_DOMAINS: setting("insurer.example", "mail domains of the organisation's employees and teams, separated by commas", some(list(domain))),
  DEFAULT_LANGUAGE: setting("EN", "language of mail to people who have no account yet: `EN` or `ES`", oneOf("EN", "ES")),
  ENROLMENT_KIND: setting(
    "MEMBER",
    "what people become who enrol by a notice: `MEMBER`, `PROVIDER`, `BROKER` or `EMPLOYER`",
    oneOf("MEMBER", "PROVIDER", "BROKER", "EMPLOYER"),
  ),
  SESSION_IDLE_MINUTES: setting("60", "a session unused for so long ends", integer(1, 43_200)),
  SESSION_HOURS: setting("12", "a session ends after so long, used or not", integer(1, 8_760)),
  EMAIL_CODES: setting("0", "`1` lets external people without a second factor sign in by a code sent to their address", flag),
  REQUIRE_SECOND_FACTOR: setting(
    "",
    "who must have a second factor: `staff` (employees and administrators; production), `everyone` or `nobody` (demo)",
    optional(oneOf("staff", "everyone", "nobody")),
  ),
  STEP_UP_MINUTES: setting("10", "exports and administration need a proof of who asks that is not older", integer(1, 1_440)),
  INTROSPECTION: setting(
    "",
    "who may introspect the schema: `everyone` (demo), `signed-in` (production) or `nobody`",
    optional(oneOf("everyone", "signed-in", "nobody")),
  ),
  PARTS: setting("api,worker", "what this process runs, separated by commas", some(list(oneOf("api", "worker")))),
  SANDBOX: setting("0", "`1` lets administrators move the clock forward ([`docs/sandbox.md`](docs/sandbox.md)); refused in production", flag),
  AUDIT_SIGNING_KEY: setting(
    "",
    "file with the Ed25519 key that seals the ledger, and the public keys of retired ones (PEM); the demo makes its own",
    optional((text) => text),
  ),
  AUDIT_PUBLISH_URL: setting("", "address that each seal of the ledger is posted to, to be kept outside", optional(url)),
  SMTP_URL: setting(
    "",
    "mail server that takes our mail: `smtps://user:password@host:465`, or `smtp://user:password@host:587`, where STARTTLS is then a must; `?tls=none` only on this machine; unset keeps the demo's mail on its page `/demo/mail`",
    optional(smtpUrl),
  ),
  SMTP_CA: setting("", "file with the certificates (PEM) by which the mail server is believed; unset are those that Node knows", optional(asIs)),
  MAIL_FROM: setting("", "address that our mail comes from; the demo takes `no-reply@` the first of `ORGANISATION_DOMAINS`", optional(mailAddress)),
  MAIL_BOUNCE_DOMAIN: setting(
    "",
    "domain whose addresses `bounce+…` take what comes back, one for each mail ([`docs/operations.md`](docs/operations.md)); unset it goes to `MAIL_FROM`",
    optional(domain),
  ),
  DKIM_KEY: setting("", "file with the RSA key (PEM) that signs our mail (DKIM); needs the next two", optional(asIs)),
  DKIM_DOMAIN: setting("", "domain that signs", optional(domain)),
  DKIM_SELECTOR: setting("", "name of the key in that domain", optional(selector)),
  BRAND_COLOUR: setting("#1f5fa8", "colour of buttons in mail, as `#rrggbb`", colour),
  BRAND_LOGO: setting("", "file with the logo in mail, PNG (which all mail programs show) or SVG, at most 100 KB; it is sent along", optional(asIs)),
  SUPPORT_CONTACT: setting("", "whom mail tells people to ask: a telephone number, an address, in a few words", optional(oneLine)),
  CLAMD: setting("", "where ClamAV's clamd scans files, as `tcp://host:port` or `unix:/path`; unset scans none", optional(clamd)),
  SSO_NAME: setting("Single sign-on", "what the login page calls single sign-on", (text) => text),
  OIDC_ISSUER: setting(
    "",
    "issuer of the OpenID Connect provider that signs employees in ([`docs/sign-in/single-sign-on.md`](docs/sign-in/single-sign-on.md)), with https unless it is on this machine",
    optional(providerAddress),
  ),
  OIDC_CLIENT_ID: setting("", "what this server is called at the provider", (text) => text),
  OIDC_CLIENT_SECRET: setting("", "this server's secret at the provider; unset is a public client, which PKCE protects", (text) => text),
  OIDC_CLIENT_SECRET_FILE: setting("", "file that holds the secret, read anew each time", (text) => text),
  OIDC_SCOPES: setting("openid email profile", "scopes to ask for, separated by spaces", scopes),
  OIDC_VERIFIED_CLAIM: setting("email_verified", "claim that must be true for an address to count; Entra ID calls it `xms_edov`", (text) => text),
  OIDC_GROUPS_CLAIM: setting("groups", "claim that names somebody's groups", (text) => text),
  OIDC_ADMIN_GROUP: setting(
    "",
    "group whose members are administrators; unset leaves roles alone",
    optional((text) => text),
  ),
  OIDC_EMPLOYEE_GROUP: setting(
    "",
    "group that one must be in to enter; unset lets everybody of the organisation's domains in",
    optional((text) => text),
  ),
  SAML_ENTRY_POINT: setting("", "where the SAML identity provider signs employees in (redirect binding)", optional(providerAddress)),
  SAML_IDP_ISSUER: setting("", "entity id of the identity provider", (text) => text),
  SAML_IDP_CERT: setting("", "file with the certificates (PEM) that it signs with, read anew each time", (text) => text),
  SAML_LOGOUT_URL: setting("", "where it signs people out (redirect binding); unset signs out here only", optional(providerAddress)),
  SAML_ISSUER: setting(
    "",
    "entity id of this server; unset is the address of its metadata",
    optional((text) => text),
  ),
  SAML_SIGNING_KEY: setting(
    "",
    "file with the private key and the certificate (PEM) that sign our requests; unset signs none",
    optional((text) => text),
  ),
  SAML_ADDRESS_ATTRIBUTE: setting("email", "attribute that holds the e-mail address", (text) => text),
  SAML_NAME_ATTRIBUTE: setting("displayName", "attribute that holds the name to show", (text) => text),
  SAML_GROUPS_ATTRIBUTE: setting("groups", "attribute that names somebody's groups", (text) => text),
  SAML_ADMIN_GROUP: setting(
    "",
    "group whose members are administrators; unset leaves roles alone",
    optional((text) => text),
  ),
  SAML_EMPLOYEE_GROUP: setting(
    "",
    "group that one must be in to enter; unset lets everybody of the organisation's domains in",
    optional((text) => text),
  ),
  LOG_LEVEL: setting(
    "",
    "`trace`, `debug`, `info` (production), `warn` (demo), `error` or `silent`",
    optional(oneOf("trace", "debug", "info", "warn", "error", "silent")),
  ),
} as const;

/** Where clamd listens: a TCP port or a Unix socket. */
export type ClamdAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** A mail server, and how its connections are protected: from the start, by STARTTLS, or, on this machine alone, not at all. */
export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  readonly protection: "tls" | "starttls" | "none";
  /** Null signs in nowhere. */
  readonly login: { readonly user: string; readonly password: string } | null;
}

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
    requireSecondFactor: read("REQUIRE_SECOND_FACTOR", settings.REQUIRE_SECOND_FACTOR, null) ?? (demo ? "nobody" : "staff"),
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

const loopback = ["localhost", "127.0.0.1", "[::1]"];

/** A fresh value for SECRET_KEY. */
export function newSecretKey(): string {
  return randomBytes(32).toString("base64");
}

function setting<T>(fallback: string, about: string, parse: (text: string) => T): Setting<T> {
  return { default: fallback, about, parse };
}

function optional<T>(parse: (text: string) => T): (text: string) => T | null {
  return (text) => (text === "" ? null : parse(text));
}

function integer(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) throw new Error(`must be a whole number from ${least} to ${most}, not "${text}"`);
    return value;
  };
}

function oneOf<const T extends string>(...values: T[]) {
  return (text: string): T => {
    const value = values.find((candidate) => candidate === text);
    if (value === undefined) throw new Error(`must be one of ${values.join(", ")}, not "${text}"`);
    return value;
  };
}

function flag(text: string): boolean {
  return oneOf("0", "1")(text) === "1";
}

function list<T>(parse: (text: string) => T) {
  return (text: string): T[] =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean)
      .map(parse);
}

function some<T>(parse: (text: string) => T[]): (text: string) => T[] {
  return (text) => {
    const values = parse(text);
    if (values.length === 0) throw new Error("must name at least one");
    return values;
  };
}

/** Its faults never quote it: it may hold a password. */
function databaseUrl(text: string): string {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) throw new Error("must be an address that begins with postgres:// or postgresql://");
  return text;
}

function url(text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) throw new Error(`must be an address that begins with https:// or http://, not "${text}"`);
  return text.replace(/\/+$/, "");
}

/** Its faults never quote it: it may hold a password. */
function smtpUrl(text: string): SmtpServer {
  const { protocol, hostname, port, username, password, pathname, search, hash } = URL.canParse(text) ? new URL(text) : new URL("none:");
  const isPlain = search === "?tls=none";
  if (!/^smtps?:$/.test(protocol) || hostname === "" || !/^\/?$/.test(pathname) || hash !== "" || (search !== "" && !isPlain))
    throw new Error("must have the form smtps://user:password@host:465 or smtp://user:password@host:587");
  if ((username === "") !== (password === "")) throw new Error("must give user and password together");
  if (isPlain && (protocol !== "smtp:" || !loopback.includes(hostname))) throw new Error("must not say tls=none unless the mail server is on this machine");
  const isTls = protocol === "smtps:";
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (isTls ? 465 : 587) : Number(port),
    protection: isPlain ? "none" : isTls ? "tls" : "starttls",
    login: username === "" ? null : { user: decoded(username), password: decoded(password) },
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error("must have user and password percent-encoded");
  }
}

function asIs(text: string): string {
  return text;
}

function mailAddress(text: string): string {
  const { local, host } = /^(?<local>[\w.+-]{1,64})@(?<host>[^@]+)$/.exec(text)?.groups ?? {};
  if (local === undefined || host === undefined) throw new Error(`must be a mail address without a name, not "${text}"`);
  return `${local}@${domain(host)}`;
}

function selector(text: string): string {
  if (!/^[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*$/.test(text)) throw new Error(`must be a name of letters, digits, hyphens and dots, not "${text}"`);
  return text;
}

function colour(text: string): string {
  if (!/^#[0-9a-fA-F]{6}$/.test(text)) throw new Error(`must have the form #rrggbb, not "${text}"`);
  return text.toLowerCase();
}

function oneLine(text: string): string {
  if (/\p{Cc}/u.test(text) || text.length > 200) throw new Error("must be one line of at most 200 characters");
  return text;
}

function s3Address(text: string): { bucket: string; prefix: string } {
  const { bucket, folders } = /^s3:\/\/(?<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?<folders>(?:\/[\w.-]+)*)\/?$/.exec(text)?.groups ?? {};
  if (bucket === undefined || folders === undefined) throw new Error(`must have the form s3://bucket/prefix, not "${text}"`);
  return { bucket, prefix: folders && `${folders.slice(1)}/` };
}

function region(text: string): string {
  if (!/^[a-z0-9-]+$/.test(text)) throw new Error(`must be the name of a region, not "${text}"`);
  return text;
}

function clamd(text: string): ClamdAddress {
  const path = /^unix:(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) return { path };
  const { protocol, hostname, port, pathname } = URL.canParse(text) ? new URL(text) : new URL("none:");
  if (protocol !== "tcp:" || hostname === "" || port === "" || pathname !== "") throw new Error(`must be tcp://host:port or unix:/path, not "${text}"`);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
}

function origin(text: string): string {
  return new URL(url(text)).origin;
}

function network(text: string): string {
  const { address = "", bits } = /^(?<address>[^/]+)(?:\/(?<bits>\d{1,3}))?$/.exec(text)?.groups ?? {};
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  // All the internet is nobody's proxy: whoever asks could then say to be anybody.
  if (longest < 0 || Number(bits ?? longest) > longest || Number(bits ?? longest) === 0)
    throw new Error(`must hold addresses or networks such as 10.0.0.0/8, not "${text}"`);
  return text;
}

function domain(text: string): string {
  const ascii = domainToASCII(text.toLowerCase());
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(ascii)) throw new Error(`must hold domain names, not "${text}"`);
  return ascii;
}

function key(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length < 32 || !/^[\w+/-]+={0,2}$/.test(text)) throw new Error("must hold at least 32 bytes in base64");
  return bytes;
}

function keyring(text: string): { kind: "file"; path: string } | { kind: "aws-kms"; keyId: string } | { kind: "vault"; mount: string; key: string } {
  const [, file, keyId, mount = "transit", key] = /^(?:file:(.+)|aws-kms:([\w:/-]+)|vault:(?:([\w./-]+)\/)?([\w.-]+))$/.exec(text) ?? [];
  if (file !== undefined) return { kind: "file", path: file };
  if (keyId !== undefined) return { kind: "aws-kms", keyId };
  if (key !== undefined) return { kind: "vault", mount, key };
  throw new Error(`must be file:<path>, aws-kms:<key id, ARN or alias> or vault:<mount>/<key name>, not "${text}"`);
}

/** Data keys travel there unwrapped. */
function vaultAddress(text: string): string {
  const address = url(text);
  if (!isConfidential(address)) throw new Error("must begin with https: unless Vault is on this machine");
  return address;
}

/** As it was written: an issuer is compared letter by letter, its last slash included. */
function providerAddress(text: string): string {
  if (!isConfidential(url(text))) throw new Error("must begin with https: unless the provider is on this machine");
  return text;
}

function isConfidential(address: string): boolean {
  return address.startsWith("https:") || loopback.includes(new URL(address).hostname);
}

function scopes(text: string): string {
  const words = text.split(/[\s,]+/);
  if (!words.includes("openid")) throw new Error(`must hold openid, not "${text}"`);
  return words.join(" ");
}

/** Its faults never quote it. */
function token(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text)) throw new Error("must be one word");
  return text;
}

function namespace(text: string): string {
  if (!/^[\w./-]+$/.test(text)) throw new Error(`must be a path of letters and digits, not "${text}"`);
  return text;
}
