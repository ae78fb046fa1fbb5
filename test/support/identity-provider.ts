import { generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto";
import type { RequestListener } from "node:http";
import { type JWTPayload, SignJWT } from "jose";
import Provider, { type GrantContext } from "oidc-provider";
import type { OidcSettings } from "../../src/config.ts";
import type { Browser, Page } from "./browser.ts";
import { listenOnLoopback } from "./loopback.ts";

/** It warns of all that is good enough for a test only. */
function hush(): void {
  const { console: output } = globalThis;
  for (const level of ["info", "warn"] as const) {
    const say = output[level].bind(output);
    output[level] = (...words: unknown[]) => {
      if (!String(words[0]).includes("oidc-provider ")) say(...words);
    };
  }
}

const CLIENT_ID = "secure-mailbox";
const KEY_ID = "the-key";
const CLIENT_SECRET = "a secret of the mailbox and its provider";

/** Somebody whom the provider knows; whatever it says of them. */
export interface ProviderPerson {
  email: string;
  email_verified: unknown;
  name: string;
  groups?: unknown;
  locale?: string;
}

/** A real OpenID Connect provider on this machine, which requires PKCE and tells this client of every sign-out. */
export interface IdentityProvider {
  readonly url: string;
  readonly settings: OidcSettings;
  /** Its directory, by subject; changes count from the next sign-in on. */
  readonly people: Map<string, ProviderPerson>;
  /** Starts anew behind the same address: with other keys, and no memory of anybody. */
  restart(): void;
  /** Publishes another key under the name of the one with which it signs, or its own again. */
  publishForeignKey(isForeign: boolean): void;
  /** Answers nothing any more, until it is told to go on. */
  stop(isStopped: boolean): void;
  /** Signs somebody in from where a start address of ours leads; comes back to the page that our callback answers with. */
  signIn(browser: Browser, startUrl: string, subject: string, options?: { until?: RegExp; change?: (authorizationUrl: URL) => void }): Promise<Page>;
  /** Signs somebody out there, from where it stands or by an address with a hint. */
  signOut(browser: Browser, endSessionUrl?: string): Promise<Page>;
  /** A logout token as it makes them, but for what is changed of its claims; undefined leaves one out. */
  logoutToken(changes: JWTPayload, options?: { key?: KeyObject | Uint8Array; alg?: string }): Promise<string>;
  /** What went wrong inside, by event. */
  readonly faults: string[];
  close(): Promise<void>;
}

/** Starts the provider for a server that will be at this address. */
export async function startIdentityProvider(appUrl: string): Promise<IdentityProvider> {
  hush();
  const people = new Map<string, ProviderPerson>();
  const faults: string[] = [];
  let answer: RequestListener = () => undefined;
  let isStopped = false;
  let publishesForeignKey = false;
  let privateKey: KeyObject;
  const loopback = await listenOnLoopback((request, response) => {
    if (isStopped) response.socket?.destroy();
    else if (publishesForeignKey && request.url === "/jwks")
      response
        .setHeader("content-type", "application/json")
        .end(JSON.stringify({ keys: [keyOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey)] }));
    else answer(request, response);
  });
  const restart = (): void => {
    ({ privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" }));
    const provider = new Provider(loopback.url, configurationFor(appUrl, people, privateKey));
    for (const event of ["server_error", "backchannel.error", "authorization.error", "grant.error"])
      provider.on(event, (...details: unknown[]) => faults.push(`${event}: ${String(details.find((detail) => detail instanceof Error))}`));
    answer = provider.callback();
  };
  restart();
  return {
    url: loopback.url,
    people,
    faults,
    restart,
    publishForeignKey: (isForeign) => (publishesForeignKey = isForeign),
    stop: (stopped) => (isStopped = stopped),
    settings: {
      kind: "oidc",
      name: "Example Health's sign-in",
      issuer: loopback.url,
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      clientSecretFile: "",
      scopes: "openid email profile groups",
      verifiedClaim: "email_verified",
      groupsClaim: "groups",
      adminGroup: "mailbox-admins",
      employeeGroup: null,
    },
    async signIn(browser, startUrl, subject, { until, change } = {}) {
      const departure = await browser.open(startUrl, { until: /\/auth\?/ });
      if (!departure.url.includes("/auth?")) return departure;
      const authorizationUrl = new URL(departure.url);
      change?.(authorizationUrl);
      const stop = until === undefined ? {} : { until };
      const page = await browser.open(authorizationUrl.href, stop);
      const [, action] = /action="([^"]+)"/.exec(page.html) ?? [];
      if (action === undefined || !page.url.startsWith(loopback.url)) return page;
      return browser.submit(new URL(action, page.url).href, { prompt: "login", login: subject, password: "any" }, stop);
    },
    async signOut(browser, endSessionUrl = `${loopback.url}/session/end`) {
      const page = await browser.open(endSessionUrl);
      const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(page.html) ?? [];
      if (xsrf === undefined) throw new Error(`There is nothing to confirm: ${page.status} ${page.html}`);
      return browser.submit(`${loopback.url}/session/end/confirm`, { xsrf, logout: "yes" }, { until: new RegExp(`^${appUrl}`) });
    },
    async logoutToken(changes, { key = privateKey, alg = "ES256" } = {}) {
      const now = Math.floor(Date.now() / 1000);
      const events = { "http://schemas.openid.net/event/backchannel-logout": {} };
      const claims = { iss: loopback.url, aud: CLIENT_ID, iat: now, exp: now + 120, jti: randomUUID(), events, ...changes };
      const given = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
      return new SignJWT(given).setProtectedHeader({ alg, kid: KEY_ID, typ: "logout+jwt" }).sign(key);
    },
    close: () => loopback.close(),
  };
}

function keyOf(key: KeyObject): object {
  return { ...key.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: KEY_ID };
}

function configurationFor(appUrl: string, people: ReadonlyMap<string, ProviderPerson>, privateKey: KeyObject): object {
  return {
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        redirect_uris: [`${appUrl}/sign-in/oidc/callback`],
        post_logout_redirect_uris: [`${appUrl}/`],
        backchannel_logout_uri: `${appUrl}/sign-in/oidc/logout`,
        backchannel_logout_session_required: true,
        id_token_signed_response_alg: "ES256",
      },
    ],
    jwks: { keys: [keyOf(privateKey)] },
    cookies: { keys: [randomUUID()] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "locale"], groups: ["groups"] },
    pkce: { required: () => true },
    fetch: (url: string, { dispatcher: _, ...init }: RequestInit & { dispatcher?: unknown }) => fetch(url, init), // It would not go to this machine
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
    findAccount: (_ctx: unknown, subject: string) => ({
      accountId: subject,
      claims: async () => ({ sub: subject, ...people.get(subject) }),
    }),
    // Everybody has agreed to everything: employees are not asked
    async loadExistingGrant({ oidc: { client, session, provider } }: GrantContext) {
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope("openid email profile groups");
      await grant.save();
      return grant;
    },
  };
}
