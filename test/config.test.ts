import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { Client as Postgres } from "pg";
import { ConfigError, newSecretKey, readConfig, requiredByWorker, requiredInProduction } from "../src/config.ts";
import { settings } from "../src/settings.ts";
import { createDatabase } from "./support/database.ts";
import { eventually } from "./support/eventually.ts";

type Environment = Record<string, string>;

const root = path.join(import.meta.dirname, "..");

/** Everything that production must be told. */
const production: Environment = {
  NODE_ENV: "production",
  DATABASE_URL: "postgres://mailbox:a-password@db.internal:5432/mailbox",
  PUBLIC_URL: "https://mail.insurer.example",
  SECRET_KEY: newSecretKey(),
  KEYRING: "file:/run/secrets/master-keys",
  ORGANISATION_NAME: "Example Health",
  ORGANISATION_DOMAINS: "insurer.example",
  AUDIT_SIGNING_KEY: "/run/secrets/audit-signing-key.pem",
  SMTP_URL: "smtp://mailbox:a-password@relay.internal",
  MAIL_FROM: "no-reply@insurer.example",
};

test("without settings it is the demo, on this machine only", () => {
  expect(readConfig({})).toMatchObject({
    mode: "demo",
    port: 4000,
    host: "127.0.0.1",
    publicUrl: null,
    databaseUrl: null,
    demoPassword: settings.DEMO_PASSWORD.default,
    secretKey: null,
    keyring: null,
    organisation: { name: "Example Health", domains: ["insurer.example"] },
    introspection: "everyone",
    parts: ["api", "worker"],
  });
  expect(settings.DEMO_PASSWORD.default.length).toBeGreaterThanOrEqual(15);
});

test("with a database it is production: no demo password, introspection for the signed-in, open to the network", () => {
  const expected = { mode: "production", host: "0.0.0.0", demoPassword: null, introspection: "signed-in", logLevel: "info", secretKey: expect.any(Buffer) };
  expect(readConfig(production)).toMatchObject(expected);
  const { NODE_ENV: _, ...withoutNodeEnv } = production;
  expect(readConfig(withoutNodeEnv)).toMatchObject(expected);
});

test("what was read cannot be changed any more", () => {
  expect(Object.isFrozen(readConfig({}))).toBe(true);
});

test("white space around a value does not count, and an empty value is none", () => {
  expect(readConfig({ PORT: " 4300 ", HOST: "", ORGANISATION_NAME: "  ", DATABASE_URL: "" })).toMatchObject({
    mode: "demo",
    port: 4300,
    organisation: { name: "Example Health" },
  });
});

test("lists take commas, and addresses lose the slash at their end", () => {
  expect(
    readConfig({
      ORGANISATION_DOMAINS: "Insurer.example, bücher.example,",
      ALLOWED_ORIGINS: "https://a.example/x, http://b.example:8080",
      PUBLIC_URL: "https://mail.example/",
      TRUSTED_PROXIES: "10.0.0.0/8, 192.0.2.7,2001:db8::/32",
    }),
  ).toMatchObject({
    organisation: { domains: ["insurer.example", "xn--bcher-kva.example"] },
    allowedOrigins: ["https://a.example", "http://b.example:8080"],
    publicUrl: "https://mail.example",
    trustedProxies: ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"],
  });
});

test.each<[keyring: string, expected: object]>([
  ["file:/run/secrets/master-keys", { kind: "file", path: "/run/secrets/master-keys" }],
  ["aws-kms:alias/mailbox", { kind: "aws-kms", keyId: "alias/mailbox" }],
  ["aws-kms:arn:aws:kms:eu-central-1:111122223333:key/mrk-1", { kind: "aws-kms", keyId: "arn:aws:kms:eu-central-1:111122223333:key/mrk-1" }],
  ["vault:mailbox", { kind: "vault", mount: "transit", key: "mailbox", address: "https://vault.internal:8200", tokenFile: "/run/token", token: "" }],
  ["vault:teams/mail/mailbox", { kind: "vault", mount: "teams/mail", key: "mailbox", namespace: null }],
])("the keyring %s is understood", (keyring, expected) => {
  const environment = { KEYRING: keyring, VAULT_ADDR: "https://vault.internal:8200/", VAULT_TOKEN_FILE: "/run/token" };
  expect(readConfig({ ...production, ...environment }).keyring).toMatchObject(expected);
});

test("attachments are in a folder unless a bucket is named, with or without a prefix, a server and a region", () => {
  expect(readConfig({}).s3).toBe(null);
  expect(readConfig({ BLOB_STORE: "s3://our-files" }).s3).toEqual({ bucket: "our-files", prefix: "", endpoint: null, region: null });
  expect(readConfig({ BLOB_STORE: "s3://our.files/mail/box/", S3_ENDPOINT: "http://10.0.0.7:9000/", S3_REGION: "eu-central-1" }).s3).toEqual({
    bucket: "our.files",
    prefix: "mail/box/",
    endpoint: "http://10.0.0.7:9000",
    region: "eu-central-1",
  });
});

test("a scanner listens on a port or on a socket", () => {
  expect(readConfig({}).clamd).toBeNull();
  expect(readConfig({ CLAMD: "tcp://clamav.internal:3310" }).clamd).toEqual({ host: "clamav.internal", port: 3310 });
  expect(readConfig({ CLAMD: "tcp://[::1]:3310" }).clamd).toEqual({ host: "::1", port: 3310 });
  expect(readConfig({ CLAMD: "unix:/run/clamav/clamd.ctl" }).clamd).toEqual({ path: "/run/clamav/clamd.ctl" });
});

test("mail goes over TLS from the start, or by STARTTLS; in the clear only on this machine", () => {
  const smtp = (SMTP_URL: string) => readConfig({ SMTP_URL }).mail.smtp;
  expect(readConfig({}).mail).toEqual({ smtp: null, caFile: null, from: "no-reply@insurer.example", bounceDomain: null, dkim: null });
  expect(smtp("smtps://mailbox:p%40ss%2Fword@relay.example")).toEqual({
    host: "relay.example",
    port: 465,
    protection: "tls",
    login: { user: "mailbox", password: "p@ss/word" },
  });
  expect(smtp("smtp://relay.example")).toEqual({ host: "relay.example", port: 587, protection: "starttls", login: null });
  expect(smtp("smtp://[::1]:2525/?tls=none")).toEqual({ host: "::1", port: 2525, protection: "none", login: null });
  expect(smtp("smtp://localhost:2525?tls=none")).toMatchObject({ protection: "none" });
});

test("mail is signed and looks as the settings say", () => {
  const { mail, brand } = readConfig({
    MAIL_FROM: "secure-mail@Insurer.example",
    MAIL_BOUNCE_DOMAIN: "Bounces.insurer.example",
    DKIM_KEY: "/run/keys/dkim.pem",
    DKIM_DOMAIN: "insurer.example",
    DKIM_SELECTOR: "mail2026",
    BRAND_COLOUR: "#0A7B5C",
    BRAND_LOGO: "/run/logo.png",
    SUPPORT_CONTACT: "0800 123 456",
  });
  expect(mail).toMatchObject({
    from: "secure-mail@insurer.example",
    bounceDomain: "bounces.insurer.example",
    dkim: { keyFile: "/run/keys/dkim.pem", domain: "insurer.example", selector: "mail2026" },
  });
  expect(brand).toEqual({ colour: "#0a7b5c", logoFile: "/run/logo.png", supportContact: "0800 123 456" });
});

test("employees sign in by themselves unless a provider is named, which is of one kind", () => {
  expect(readConfig(production).singleSignOn).toBeNull();
  const oidc = { OIDC_ISSUER: "https://login.example/tenant/", OIDC_CLIENT_ID: "mailbox", OIDC_CLIENT_SECRET_FILE: "/run/secret", SSO_NAME: "Our sign-in" };
  expect(readConfig({ ...production, ...oidc }).singleSignOn).toEqual({
    kind: "oidc",
    name: "Our sign-in",
    issuer: "https://login.example/tenant/",
    clientId: "mailbox",
    clientSecret: "",
    clientSecretFile: "/run/secret",
    scopes: "openid email profile",
    verifiedClaim: "email_verified",
    groupsClaim: "groups",
    adminGroup: null,
    employeeGroup: null,
  });
  const saml = { SAML_ENTRY_POINT: "https://login.example/sso", SAML_IDP_ISSUER: "https://login.example", SAML_IDP_CERT: "/run/idp.pem" };
  expect(readConfig({ ...production, ...saml, SAML_ADMIN_GROUP: "admins" }).singleSignOn).toMatchObject({
    kind: "saml",
    adminGroup: "admins",
    logoutUrl: null,
  });
});

describe("a wrong setting is named with what is wrong about it:", () => {
  test.each<[name: keyof typeof settings, value: string, fault: string]>([
    ["PORT", "http", 'must be a whole number from 0 to 65535, not "http"'],
    ["PORT", "65536", 'must be a whole number from 0 to 65535, not "65536"'],
    ["PORT", "-1", 'must be a whole number from 0 to 65535, not "-1"'],
    ["PORT", "40.5", 'must be a whole number from 0 to 65535, not "40.5"'],
    ["PUBLIC_URL", "mail.example", 'must be an address that begins with https:// or http://, not "mail.example"'],
    ["PUBLIC_URL", "ftp://mail.example", 'must be an address that begins with https:// or http://, not "ftp://mail.example"'],
    ["PUBLIC_URL", "https://", 'must be an address that begins with https:// or http://, not "https://"'],
    ["ALLOWED_ORIGINS", "https://a.example, b.example", 'must be an address that begins with https:// or http://, not "b.example"'],
    ["BLOB_STORE", "/var/blobs", 'must have the form s3://bucket/prefix, not "/var/blobs"'],
    ["BLOB_STORE", "s3://B", 'must have the form s3://bucket/prefix, not "s3://B"'],
    ["BLOB_STORE", "s3://bucket//x", 'must have the form s3://bucket/prefix, not "s3://bucket//x"'],
    ["S3_ENDPOINT", "https://minio.internal", "needs BLOB_STORE to name a bucket"],
    ["TRUSTED_PROXIES", "proxy.internal", 'must hold addresses or networks such as 10.0.0.0/8, not "proxy.internal"'],
    ["TRUSTED_PROXIES", "10.0.0.0/33", 'must hold addresses or networks such as 10.0.0.0/8, not "10.0.0.0/33"'],
    ["TRUSTED_PROXIES", "0.0.0.0/0", 'must hold addresses or networks such as 10.0.0.0/8, not "0.0.0.0/0"'],
    ["EMAIL_CODES", "yes", 'must be one of 0, 1, not "yes"'],
    ["S3_REGION", "eu-central-1", "needs BLOB_STORE to name a bucket"],
    ["DATABASE_POOL_SIZE", "0", 'must be a whole number from 1 to 100, not "0"'],
    ["DEMO_PASSWORD", "short", "must have at least 15 characters"],
    ["SECRET_KEY", "too short", "must hold at least 32 bytes in base64"],
    ["SECRET_KEY", "long enough but a sentence that is not in base64 at all", "must hold at least 32 bytes in base64"],
    ["KEYRING", "gcp-kms:mailbox", 'must be file:<path>, aws-kms:<key id, ARN or alias> or vault:<mount>/<key name>, not "gcp-kms:mailbox"'],
    ["KEYRING", "file:", 'must be file:<path>, aws-kms:<key id, ARN or alias> or vault:<mount>/<key name>, not "file:"'],
    ["VAULT_ADDR", "vault.internal:8200", 'must be an address that begins with https:// or http://, not "vault.internal:8200"'],
    ["VAULT_ADDR", "http://vault.internal:8200", "must begin with https: unless Vault is on this machine"],
    ["VAULT_TOKEN", "two words", "must be one word"],
    ["VAULT_NAMESPACE", "a\nb", 'must be a path of letters and digits, not "a\nb"'],
    ["ORGANISATION_DOMAINS", "insurer", 'must hold domain names, not "insurer"'],
    ["ORGANISATION_DOMAINS", "insurer.example, https://x.example", 'must hold domain names, not "https://x.example"'],
    ["ORGANISATION_DOMAINS", ",", "must name at least one"],
    ["SESSION_IDLE_MINUTES", "0", 'must be a whole number from 1 to 43200, not "0"'],
    ["SESSION_HOURS", "a day", 'must be a whole number from 1 to 8760, not "a day"'],
    ["INTROSPECTION", "anybody", 'must be one of everyone, signed-in, nobody, not "anybody"'],
    ["PARTS", "api,smtp", 'must be one of api, worker, not "smtp"'],
    ["PARTS", " , ", "must name at least one"],
    ["SANDBOX", "yes", 'must be one of 0, 1, not "yes"'],
    ["CLAMD", "localhost:3310", 'must be tcp://host:port or unix:/path, not "localhost:3310"'],
    ["CLAMD", "tcp://localhost", 'must be tcp://host:port or unix:/path, not "tcp://localhost"'],
    ["CLAMD", "unix:clamd.ctl", 'must be tcp://host:port or unix:/path, not "unix:clamd.ctl"'],
    ["SMTP_URL", "smtp://localhost.evil.example?tls=none", "must not say tls=none unless the mail server is on this machine"],
    ["SMTP_URL", "smtps://localhost?tls=none", "must not say tls=none unless the mail server is on this machine"],
    ["SMTP_URL", "smtp://mailbox:%zz@relay.example", "must have user and password percent-encoded"],
    ["SMTP_URL", "smtp://mailbox@relay.example", "must give user and password together"],
    ["MAIL_FROM", "Example Health <no-reply@insurer.example>", 'must be a mail address without a name, not "Example Health <no-reply@insurer.example>"'],
    ["MAIL_BOUNCE_DOMAIN", "bounces@insurer.example", 'must hold domain names, not "bounces@insurer.example"'],
    ["BRAND_COLOUR", "blue", 'must have the form #rrggbb, not "blue"'],
    ["SUPPORT_CONTACT", "call\nus", "must be one line of at most 200 characters"],
    ["OIDC_ISSUER", "http://login.example", "must begin with https: unless the provider is on this machine"],
    ["SAML_ENTRY_POINT", "http://login.example/sso", "must begin with https: unless the provider is on this machine"],
    ["OIDC_SCOPES", "email profile", 'must hold openid, not "email profile"'],
    ["LOG_LEVEL", "loud", 'must be one of trace, debug, info, warn, error, silent, not "loud"'],
  ])("%s=%s %s", (name, value, fault) => {
    expect(faultsOf({ [name]: value })).toEqual([`${name} ${fault}`]);
  });

  test.each(["mysql://root:a-password@db/mailbox", "a-password", "postgres:/a-password"])("DATABASE_URL, but not what it holds: %s", (value) => {
    expect(faultsOf({ ...production, DATABASE_URL: value })).toEqual(["DATABASE_URL must be an address that begins with postgres:// or postgresql://"]);
  });

  test.each([
    "smtp://",
    "relay.example:587",
    "https://mailbox:a-password@relay.example",
    "smtp://mailbox:a-password@relay.example/x",
    "smtp://mailbox:a-password@relay.example?tls=maybe",
  ])("SMTP_URL, but not what it holds: %s", (value) => {
    expect(faultsOf({ SMTP_URL: value })).toEqual(["SMTP_URL must have the form smtps://user:password@host:465 or smtp://user:password@host:587"]);
  });

  test("a signature of mail needs all three settings", () => {
    const all = { DKIM_KEY: "/run/keys/dkim.pem", DKIM_DOMAIN: "insurer.example", DKIM_SELECTOR: "mail2026" };
    expect(faultsOf(all)).toEqual([]);
    for (const name of ["DKIM_KEY", "DKIM_DOMAIN", "DKIM_SELECTOR"] as const)
      expect(faultsOf({ ...all, [name]: "" })).toEqual([`${name} is missing: DKIM needs all three of DKIM_KEY, DKIM_DOMAIN, DKIM_SELECTOR`]);
  });

  test("Vault needs its address and one way to get a token", () => {
    const oneToken = "VAULT_TOKEN or VAULT_TOKEN_FILE must be set, and not both";
    const vault = { KEYRING: "vault:mailbox", VAULT_ADDR: "http://127.0.0.1:8200" };
    expect(faultsOf({ KEYRING: "vault:mailbox" })).toEqual([`VAULT_ADDR is missing: ${settings.VAULT_ADDR.about}`, oneToken]);
    expect(faultsOf(vault)).toEqual([oneToken]);
    expect(faultsOf({ ...vault, VAULT_TOKEN: "hvs.a", VAULT_TOKEN_FILE: "/run/token" })).toEqual([oneToken]);
    expect(faultsOf({ ...vault, VAULT_TOKEN: "hvs.a" })).toEqual([]);
  });

  test("single sign-on needs a client, a public address, and one provider", () => {
    const oidc = { OIDC_ISSUER: "https://login.example", OIDC_CLIENT_ID: "mailbox" };
    const saml = { SAML_ENTRY_POINT: "https://login.example/sso", SAML_IDP_ISSUER: "https://login.example", SAML_IDP_CERT: "/run/idp.pem" };
    const missing = (name: keyof typeof settings): string => `${name} is missing: ${settings[name].about}`;
    expect(faultsOf({ ...production, ...oidc })).toEqual([]);
    expect(faultsOf({ ...production, ...saml })).toEqual([]);
    expect(faultsOf(oidc)).toEqual([missing("PUBLIC_URL")]);
    expect(faultsOf({ ...production, OIDC_ISSUER: oidc.OIDC_ISSUER })).toEqual([missing("OIDC_CLIENT_ID")]);
    expect(faultsOf({ ...production, SAML_ENTRY_POINT: saml.SAML_ENTRY_POINT })).toEqual([missing("SAML_IDP_ISSUER"), missing("SAML_IDP_CERT")]);
    expect(faultsOf({ ...production, ...oidc, ...saml })).toEqual(["OIDC_ISSUER and SAML_ENTRY_POINT must not both be set"]);
    expect(faultsOf({ ...production, ...oidc, OIDC_CLIENT_SECRET: "a", OIDC_CLIENT_SECRET_FILE: "/b" })).toEqual([
      "OIDC_CLIENT_SECRET and OIDC_CLIENT_SECRET_FILE must not both be set",
    ]);
  });

  test("all of them together, one a line", () => {
    const faults = faultsOf({ PORT: "x", SESSION_HOURS: "0", LOG_LEVEL: "loud", DEMO_PASSWORD: "short" });
    expect(faults.map((fault) => fault.split(" ")[0]).toSorted()).toEqual(["DEMO_PASSWORD", "LOG_LEVEL", "PORT", "SESSION_HOURS"]);
    expect(new ConfigError(faults).message).toBe(`4 settings are wrong:\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
    expect(new ConfigError(faults.slice(0, 1)).message).toBe(faults[0]);
  });
});

describe("production", () => {
  test("is refused without what it must be told, with the whole list", () => {
    const required = [...requiredInProduction, ...requiredByWorker];
    expect(required).toEqual(Object.keys(production).filter((name) => name !== "NODE_ENV"));
    expect(faultsOf({ NODE_ENV: "production" })).toEqual(required.map((name) => `${name} is missing: ${settings[name].about}`));
    expect(faultsOf({ NODE_ENV: "production", PORT: "x" })).toHaveLength(required.length + 1);
  });

  test.each(requiredInProduction)("is refused without %s, or with nothing in it", (name) => {
    const { [name]: _, ...others } = production;
    expect(faultsOf(others)).toEqual([`${name} is missing: ${settings[name].about}`]);
    expect(faultsOf({ ...production, [name]: " " })).toEqual([`${name} is missing: ${settings[name].about}`]);
  });

  test.each(requiredByWorker)("needs %s only where the worker runs, which alone seals the ledger and sends mail", (name) => {
    const { [name]: _, ...others } = production;
    expect(faultsOf({ ...others, PARTS: "api" })).toEqual([]);
    expect(faultsOf({ ...others, PARTS: "worker" })).toEqual([`${name} is missing: ${settings[name].about}`]);
  });

  test("is refused with a demo password, whatever it is, and without https", () => {
    expect(faultsOf({ ...production, DEMO_PASSWORD: "a long enough password" })).toEqual(["DEMO_PASSWORD must not be set in production"]);
    expect(faultsOf({ ...production, PUBLIC_URL: "http://mail.insurer.example" })).toEqual(["PUBLIC_URL must begin with https: in production"]);
  });
});

test("a sandbox is what says so, with or without a database of its own, but never production", () => {
  const { NODE_ENV: _, ...withoutNodeEnv } = production;
  for (const environment of [{}, withoutNodeEnv]) {
    expect(readConfig(environment)).toMatchObject({ sandbox: false });
    expect(readConfig({ ...environment, SANDBOX: "1" })).toMatchObject({ sandbox: true });
  }
  expect(readConfig({ ...production, SANDBOX: "0" })).toMatchObject({ sandbox: false });
  expect(faultsOf({ ...production, SANDBOX: "1" })).toEqual(["SANDBOX must not be 1 in production"]);
});

test("employees and administrators have a second factor in production, whatever is set", () => {
  expect(readConfig({}).requireSecondFactor).toBe("nobody");
  expect(readConfig(production).requireSecondFactor).toBe("staff");
  expect(readConfig({ ...production, REQUIRE_SECOND_FACTOR: "everyone" }).requireSecondFactor).toBe("everyone");
  expect(faultsOf({ ...production, REQUIRE_SECOND_FACTOR: "nobody" })).toEqual(["REQUIRE_SECOND_FACTOR must not be nobody in production"]);
});

test("the README's table of settings has each with its default and its meaning, and no other", () => {
  const rows = readFileSync(path.join(root, "README.md"), "utf8").matchAll(/^\| `([A-Z0-9_]+)` \| (?:`([^`]*)`)? ?\| (.*) \|$/gm);
  const described = [...rows].map(([, name, fallback = "", about]) => ({ name, default: fallback, about }));
  expect(described).toEqual(Object.entries(settings).map(([name, { default: fallback, about }]) => ({ name, default: fallback, about })));
});

describe("the server's process", () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "secure-mailbox-start-"));
    await writeFile(path.join(directory, "file"), "");
    await writeFile(path.join(directory, "master-keys"), `first ${newSecretKey()}\n`, { mode: 0o600 });
  });

  afterAll(() => rm(directory, { recursive: true, force: true }));

  test("ends with one clear line for each thing that is wrong with its settings, its folder or its address", async () => {
    await writeFile(path.join(directory, "open-keys"), `first ${newSecretKey()}\n`);
    await chmod(path.join(directory, "open-keys"), 0o644);
    const [settings, keyring, folder, host] = await Promise.all([
      ended(start({ ...production, PORT: "http", DATABASE_URL: "mysql://mailbox:a-password@db/mailbox" })),
      ended(start({ ...production, PORT: "0", DATA_DIR: path.join(directory, "data"), KEYRING: `file:${directory}/open-keys` })),
      ended(start({ PORT: "0", DATA_DIR: path.join(directory, "file", "below") })),
      ended(start({ PORT: "0", DATA_DIR: path.join(directory, "data"), HOST: "192.0.2.1" })),
    ]);
    expect(settings).toEqual({
      code: 1,
      stdout: "",
      stderr: [
        "2 settings are wrong:",
        '  PORT must be a whole number from 0 to 65535, not "http"',
        "  DATABASE_URL must be an address that begins with postgres:// or postgresql://\n",
      ].join("\n"),
    });
    expect(keyring).toEqual({
      code: 1,
      stdout: "",
      stderr: `The key file ${directory}/open-keys has mode 0644, which opens it to others. Run: chmod 600 ${directory}/open-keys\n`,
    });
    expect(folder).toEqual({ code: 1, stdout: "", stderr: expect.stringMatching(/^DATA_DIR \S+file\/below\S* is not writable: [^\n]+\n$/) });
    expect(host).toEqual({ code: 1, stdout: "", stderr: "HOST 192.0.2.1 is no address of this machine (EADDRNOTAVAIL).\n" });
  }, 120_000);

  test("ends at a signal even while it starts, say behind another node that migrates", async () => {
    const database = await createDatabase();
    const other = new Postgres({ connectionString: database.url });
    await other.connect();
    await other.query("begin; lock table migrations");
    const settings = { PORT: "0", DATA_DIR: path.join(directory, "data"), DATABASE_URL: database.url, KEYRING: `file:${directory}/master-keys` };
    const server = start({ ...production, ...settings });
    try {
      const waiting = "select from pg_locks l join pg_database d on d.oid = l.database where d.datname = current_database() and not l.granted";
      await eventually(async () => expect((await other.query(waiting)).rowCount).toBe(1), 60_000);
      server.kill("SIGTERM");
      expect(await ended(server)).toEqual({ code: 0, stdout: "", stderr: "" });
    } finally {
      server.kill("SIGKILL");
      await other.end();
      await database.drop();
    }
  }, 120_000);
});

function faultsOf(environment: Environment): readonly string[] {
  try {
    readConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

/** Starts the server with these settings alone. */
function start(environment: Environment): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, ["--import", "tsx", "src/main.ts"], {
    cwd: root,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function ended(server: ChildProcessByStdio<null, Readable, Readable>): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const [[code], stdout, stderr] = await Promise.all([once(server, "exit"), text(server.stdout), text(server.stderr)]);
  return { code, stdout, stderr };
}
