import { isIP } from "node:net";
import { domainToASCII } from "node:url";

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

const loopback = ["localhost", "127.0.0.1", "[::1]"];

/** A value that may be left out: null where nothing is set. */
export function optional<T>(parse: (text: string) => T): (text: string) => T | null {
  return (text) => (text === "" ? null : parse(text));
}

/** A whole number within bounds, both included. */
export function integer(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) throw new Error(`must be a whole number from ${least} to ${most}, not "${text}"`);
    return value;
  };
}

/** One of a few words. */
export function oneOf<const T extends string>(...values: T[]) {
  return (text: string): T => {
    const value = values.find((candidate) => candidate === text);
    if (value === undefined) throw new Error(`must be one of ${values.join(", ")}, not "${text}"`);
    return value;
  };
}

/** `1` for yes, `0` for no. */
export function flag(text: string): boolean {
  return oneOf("0", "1")(text) === "1";
}

/** Several values, separated by commas. */
export function list<T>(parse: (text: string) => T) {
  return (text: string): T[] =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean)
      .map(parse);
}

/** A list that must not be empty. */
export function some<T>(parse: (text: string) => T[]): (text: string) => T[] {
  return (text) => {
    const values = parse(text);
    if (values.length === 0) throw new Error("must name at least one");
    return values;
  };
}

/** Its faults never quote it: it may hold a password. */
export function databaseUrl(text: string): string {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) throw new Error("must be an address that begins with postgres:// or postgresql://");
  return text;
}

/** An HTTP address, without the slashes at its end. */
export function url(text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) throw new Error(`must be an address that begins with https:// or http://, not "${text}"`);
  return text.replace(/\/+$/, "");
}

/** Its faults never quote it: it may hold a password. */
export function smtpUrl(text: string): SmtpServer {
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

/** Any text. */
export function asIs(text: string): string {
  return text;
}

/** A mail address as we send from and to. */
export function mailAddress(text: string): string {
  const { local, host } = /^(?<local>[\w.+-]{1,64})@(?<host>[^@]+)$/.exec(text)?.groups ?? {};
  if (local === undefined || host === undefined) throw new Error(`must be a mail address without a name, not "${text}"`);
  return `${local}@${domain(host)}`;
}

/** A DKIM selector (RFC 6376). */
export function selector(text: string): string {
  if (!/^[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*$/.test(text)) throw new Error(`must be a name of letters, digits, hyphens and dots, not "${text}"`);
  return text;
}

/** A colour as `#rrggbb`. */
export function colour(text: string): string {
  if (!/^#[0-9a-fA-F]{6}$/.test(text)) throw new Error(`must have the form #rrggbb, not "${text}"`);
  return text.toLowerCase();
}

/** Text on one line. */
export function oneLine(text: string): string {
  if (/\p{Cc}/u.test(text) || text.length > 200) throw new Error("must be one line of at most 200 characters");
  return text;
}

/** A bucket and what its objects' names begin with, as `s3://bucket/prefix`. */
export function s3Address(text: string): { bucket: string; prefix: string } {
  const { bucket, folders } = /^s3:\/\/(?<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?<folders>(?:\/[\w.-]+)*)\/?$/.exec(text)?.groups ?? {};
  if (bucket === undefined || folders === undefined) throw new Error(`must have the form s3://bucket/prefix, not "${text}"`);
  return { bucket, prefix: folders && `${folders.slice(1)}/` };
}

/** A region of Amazon S3. */
export function region(text: string): string {
  if (!/^[a-z0-9-]+$/.test(text)) throw new Error(`must be the name of a region, not "${text}"`);
  return text;
}

/** Where clamd listens, as `tcp://host:port` or `unix:/path`. */
export function clamd(text: string): ClamdAddress {
  const path = /^unix:(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) return { path };
  const { protocol, hostname, port, pathname } = URL.canParse(text) ? new URL(text) : new URL("none:");
  if (protocol !== "tcp:" || hostname === "" || port === "" || pathname !== "") throw new Error(`must be tcp://host:port or unix:/path, not "${text}"`);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** A web origin (RFC 6454). */
export function origin(text: string): string {
  return new URL(url(text)).origin;
}

/** An address or a network of addresses (CIDR). */
export function network(text: string): string {
  const { address = "", bits } = /^(?<address>[^/]+)(?:\/(?<bits>\d{1,3}))?$/.exec(text)?.groups ?? {};
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  // All the internet is nobody's proxy: whoever asks could then say to be anybody.
  if (longest < 0 || Number(bits ?? longest) > longest || Number(bits ?? longest) === 0)
    throw new Error(`must hold addresses or networks such as 10.0.0.0/8, not "${text}"`);
  return text;
}

/** A domain name, in A-labels. */
export function domain(text: string): string {
  const ascii = domainToASCII(text.toLowerCase());
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(ascii)) throw new Error(`must hold domain names, not "${text}"`);
  return ascii;
}

/** At least 32 bytes in base64. */
export function key(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length < 32 || !/^[\w+/-]+={0,2}$/.test(text)) throw new Error("must hold at least 32 bytes in base64");
  return bytes;
}

/** What keeps the master keys: `file:`, `aws-kms:` or `vault:` and what it needs. */
export function keyring(text: string): { kind: "file"; path: string } | { kind: "aws-kms"; keyId: string } | { kind: "vault"; mount: string; key: string } {
  const [, file, keyId, mount = "transit", key] = /^(?:file:(.+)|aws-kms:([\w:/-]+)|vault:(?:([\w./-]+)\/)?([\w.-]+))$/.exec(text) ?? [];
  if (file !== undefined) return { kind: "file", path: file };
  if (keyId !== undefined) return { kind: "aws-kms", keyId };
  if (key !== undefined) return { kind: "vault", mount, key };
  throw new Error(`must be file:<path>, aws-kms:<key id, ARN or alias> or vault:<mount>/<key name>, not "${text}"`);
}

/** Data keys travel there unwrapped. */
export function vaultAddress(text: string): string {
  const address = url(text);
  if (!isConfidential(address)) throw new Error("must begin with https: unless Vault is on this machine");
  return address;
}

/** As it was written: an issuer is compared letter by letter, its last slash included. */
export function providerAddress(text: string): string {
  if (!isConfidential(url(text))) throw new Error("must begin with https: unless the provider is on this machine");
  return text;
}

function isConfidential(address: string): boolean {
  return address.startsWith("https:") || loopback.includes(new URL(address).hostname);
}

/** OAuth scopes, separated by spaces. */
export function scopes(text: string): string {
  const words = text.split(/[\s,]+/);
  if (!words.includes("openid")) throw new Error(`must hold openid, not "${text}"`);
  return words.join(" ");
}

/** Its faults never quote it. */
export function token(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text)) throw new Error("must be one word");
  return text;
}

/** A namespace in Vault. */
export function namespace(text: string): string {
  if (!/^[\w./-]+$/.test(text)) throw new Error(`must be a path of letters and digits, not "${text}"`);
  return text;
}
