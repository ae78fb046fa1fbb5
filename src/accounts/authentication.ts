import passport, { type Strategy } from "passport";
import { Strategy as CustomStrategy } from "passport-custom";
import { Strategy as LocalStrategy } from "passport-local";
import type { IncomingHttpHeaders } from "node:http";
import { before, MINUTE } from "../clock.ts";
import type { Ctx, Services, Viewer } from "../context.ts";
import { statement } from "../db/database.ts";
import { TokenScope } from "../graphql/token-scope.ts";
import { isAccessToken } from "./access-token-policy.ts";
import { Account, type AccountKind, normaliseUserId, rolesOf } from "./account.ts";
import { verifyPassword } from "./password.ts";
import { type LiveSession, RecentSessions } from "./recent-sessions.ts";
import { mustHaveSecondFactor } from "./second-factor-policy.ts";

const SESSION_TOKEN_FORM = /^[\w-]{43}$/;

/** Finds out who a request comes from, by the session or access token in its `Authorization: Bearer` header, or by its session cookie; null for nobody. */
export type Authenticate = (ctx: Ctx, headers: IncomingHttpHeaders) => Promise<Viewer | null>;

/** Makes the check that HTTP, multipart and WebSocket requests of this process share. */
export function createAuthentication({ bus, config }: Services): Authenticate {
  const recent = new RecentSessions(bus);
  const cookie = cookieName(config.publicUrl);
  return async (ctx, headers) => {
    const token = tokenOf(headers, cookie);
    if (token === null) return null;
    if (headers.authorization === undefined && isAccessToken(token)) return null; // Browsers have sessions
    const known = recent.get(token);
    if (known && known.expiresAt > ctx.clock.now() && !needsTouch(ctx, known)) return known.viewer;
    const session = await authenticate<LiveSession>(tokenStrategy(ctx, token));
    if (session && !session.viewer.isConfined) recent.keep(token, session); // The confined are let go at any moment
    return session && session.viewer;
  };
}

/** The account with this user ID and password; null if they do not match, in the same time whatever is wrong. */
export async function authenticatePassword(ctx: Ctx, input: { userId: string; password: string }): Promise<Account | null> {
  const strategy = new LocalStrategy({ usernameField: "userId", session: false }, (userId, password, done) => {
    checkPassword(ctx, userId, password).then((account) => done(null, account ?? false), done);
  });
  return authenticate<Account>(strategy, input);
}

/** The cookies browsers carry; `__Host-` pins it to this very host where the address is https. */
export function cookieName(publicUrl: string | null, what: "session" | "device" = "session"): string {
  return publicUrl?.startsWith("https:") ? `__Host-${what}` : what;
}

/** What a cookie of this name says; null without one. */
export function cookieIn(headers: IncomingHttpHeaders, cookie: string): string | null {
  for (const pair of headers.cookie?.split(";") ?? []) {
    const [name, value] = pair.trim().split("=", 2);
    if (name === cookie && value) return value;
  }
  return null;
}

/** What passport makes: with a callback of our own it only reads the request. */
type Middleware = (request: object, response: object, next: (error: unknown) => void) => void;

const authenticator = new passport.Passport();

/** Runs a passport strategy over anything that carries credentials: HTTP, WebSocket and multipart alike. */
function authenticate<User>(strategy: Strategy, body: object = {}): Promise<User | null> {
  return new Promise((resolve, reject) => {
    const decide = (error: unknown, user?: User | false): void => {
      if (error) reject(error instanceof Error ? error : new Error("A strategy failed"));
      else resolve(user || null);
    };
    const middleware: Middleware = authenticator.authenticate(strategy, { session: false }, decide);
    middleware({ body, query: {} }, {}, reject);
  });
}

async function checkPassword(ctx: Ctx, userId: string, password: string): Promise<Account | null> {
  const known = !userId.includes("\0"); // Which PostgreSQL cannot even be asked for
  const account = known ? await ctx.db.manager.findOneBy(Account, { userId: normaliseUserId(userId) }) : null;
  const matches = await verifyPassword(account?.passwordHash ?? null, password);
  return matches && account !== null && account.disabledAt === null ? Object.assign(account, { directory: await ctx.dataKeys.directory() }) : null;
}

function tokenStrategy(ctx: Ctx, token: string): Strategy {
  return new CustomStrategy((_request, done) => {
    checkToken(ctx, token).then((session) => done(null, session ?? false), done);
  });
}

async function checkToken(ctx: Ctx, token: string): Promise<LiveSession | null> {
  if (isAccessToken(token)) return checkAccessToken(ctx, token);
  return SESSION_TOKEN_FORM.test(token) ? checkSessionToken(ctx, token) : null;
}

async function checkSessionToken(ctx: Ctx, token: string): Promise<LiveSession | null> {
  const { db, clock, config, keyedHash } = ctx;
  const now = clock.now();
  const idleSince = before(now, config.session.idleMinutes * MINUTE);
  const [session] = await db.run(sessionByToken, [keyedHash.hash("session-token", token), now, idleSince]);
  if (session === undefined) return null;
  const touched = needsTouch(ctx, session);
  if (touched) await db.run(touchSession, [session.id, now]);
  const isConfined = session.secondFactorAt === null && mustHaveSecondFactor(config, session.kind);
  const viewer = { accountId: session.accountId, sessionId: session.id, ...rolesOf(session.kind), isConfined };
  return { viewer, expiresAt: session.expiresAt, lastUsedAt: touched ? now : session.lastUsedAt };
}

async function checkAccessToken(ctx: Ctx, text: string): Promise<LiveSession | null> {
  const now = ctx.clock.now();
  const [token] = await ctx.db.run(accessTokenByHash, [ctx.keyedHash.hash("access-token", text), now]);
  if (token === undefined) return null;
  const { id, accountId, expiresAt, lastUsedAt, kind } = token;
  const scopes = new Set(token.scopes);
  const { isEmployee, isAdministrator } = rolesOf(kind);
  const viewer = { accountId, sessionId: id, isEmployee, isAdministrator: isAdministrator && scopes.has(TokenScope.ADMIN), isConfined: false, scopes };
  if (lastUsedAt !== null && !needsTouch(ctx, { lastUsedAt })) return { viewer, expiresAt, lastUsedAt };
  await ctx.db.run(touchAccessToken, [id, now]);
  return { viewer, expiresAt, lastUsedAt: now };
}

/** When a session or an access token was last used is kept to the minute. */
function needsTouch({ clock }: Ctx, { lastUsedAt }: Pick<LiveSession, "lastUsedAt">): boolean {
  return lastUsedAt < before(clock.now(), MINUTE);
}

/** A bearer token wins over a cookie. Tokens are never read from an address or a body. */
function tokenOf(headers: IncomingHttpHeaders, cookie: string): string | null {
  if (headers.authorization !== undefined) return /^Bearer +(\S+)$/i.exec(headers.authorization)?.[1] ?? null;
  return cookieIn(headers, cookie);
}

const sessionByToken = statement<{ id: string; accountId: string; expiresAt: Date; lastUsedAt: Date; kind: AccountKind; secondFactorAt: Date | null }>(
  "session-by-token",
  `select s.id, s.account_id as "accountId", s.expires_at as "expiresAt", s.last_used_at as "lastUsedAt", a.kind, s.second_factor_at as "secondFactorAt"
   from sessions s join accounts a on a.id = s.account_id
   where s.token_hash = $1 and s.revoked_at is null and s.expires_at > $2 and s.last_used_at > $3 and a.disabled_at is null`,
);

const touchSession = statement("session-touch", "update sessions set last_used_at = greatest(last_used_at, $2) where id = $1");

const accessTokenByHash = statement<{ id: string; accountId: string; scopes: TokenScope[]; expiresAt: Date; lastUsedAt: Date | null; kind: AccountKind }>(
  "access-token-by-hash",
  `select t.id, t.account_id as "accountId", t.scopes, t.expires_at as "expiresAt", t.last_used_at as "lastUsedAt", a.kind
   from access_tokens t join accounts a on a.id = t.account_id
   where t.token_hash = $1 and t.revoked_at is null and t.expires_at > $2 and a.disabled_at is null`,
);

const touchAccessToken = statement("access-token-touch", "update access_tokens set last_used_at = greatest(last_used_at, $2) where id = $1");
