import DataLoader from "dataloader";
import type { Logger } from "pino";
import type { DataSource } from "typeorm";
import { before, type Clock, MINUTE } from "./clock.ts";
import type { Config } from "./config.ts";
import { Db, poolOf, statement, withTransaction } from "./db/database.ts";
import { isTransactionConflict } from "./db/unavailable.ts";
import type { TokenScope } from "./graphql/token-scope.ts";
import type { Bus, Topic } from "./ledger/bus.ts";
import type { Relay } from "./ledger/relay.ts";
import { ProblemCode, refuse } from "./problem.ts";
import type { BlobStore } from "./vault/blob-store.ts";
import type { DataKeys } from "./vault/data-keys.ts";
import type { KeyedHash } from "./vault/keyed-hash.ts";

/** What lives as long as the process and every request shares. */
export interface Services {
  readonly config: Config;
  readonly dataSource: DataSource;
  readonly bus: Bus;
  readonly relay: Relay;
  readonly blobs: BlobStore;
  readonly dataKeys: DataKeys;
  readonly keyedHash: KeyedHash;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Whoever asks, once signed in. */
export interface Viewer {
  readonly accountId: string;
  /** The session, or the access token, that the request came with: its end is heard under this id. No session has the id of a token. */
  readonly sessionId: string;
  /** Employees and administrators write to anyone; everybody else to employees and teams only. */
  readonly isEmployee: boolean;
  /** An employee who also runs the system; with an access token only if it has the scope ADMIN. */
  readonly isAdministrator: boolean;
  /** Whoever must have a second factor and has not given one in this session: it is good for setting one up only. */
  readonly isConfined: boolean;
  /** What an access token may be used for; left out for a session, which may do all that its account may. */
  readonly scopes?: ReadonlySet<TokenScope>;
}

/** What differs between an HTTP request, a socket event and a job. */
export interface Caller {
  readonly viewer: Viewer | null;
  readonly requestId: string;
  /** What the client calls itself, for the list of sessions. */
  readonly client: string;
  /** The IP address that the request comes from; empty for a job. */
  readonly source: string;
  /** Where the server's own pages are, as browsers name it, such as `https://mail.example`; empty for a job. */
  readonly origin: string;
  /** Sets or clears the browser's session cookie; does nothing where there is no HTTP answer to set it on. */
  readonly setSessionCookie: (token: string | null, expiresAt: Date) => void;
  /** What the device showed to be known again: its cookie; null for none. */
  readonly deviceToken: string | null;
  /** Sets the browser's device cookie; does nothing without a token, or where there is no HTTP answer. */
  readonly setDeviceCookie: (token: string | null, expiresAt: Date) => void;
  /** Schema coordinates, such as `Message.body`, that the running operation selects. */
  readonly selects: ReadonlySet<string>;
}

/** Everything one request, socket event or job works with; passed first to every operation. */
export interface Ctx extends Services, Caller {
  readonly db: Db;
  /** Set inside `inTransaction`: what to tell the bus and the relay once it has committed. */
  readonly transaction: AfterCommit | null;
}

/** A context of somebody who is signed in. */
export interface ViewerCtx extends Ctx {
  readonly viewer: Viewer;
}

/** What a transaction will signal after its commit. */
export interface AfterCommit {
  readonly topics: Set<Topic>;
  hasFollowUps: boolean;
}

const nobody: Caller = {
  viewer: null,
  requestId: "",
  client: "",
  source: "",
  origin: "",
  setSessionCookie: () => undefined,
  deviceToken: null,
  setDeviceCookie: () => undefined,
  selects: new Set(),
};

/** Makes the context of one request, socket event or job. */
export function createCtx(services: Services, caller: Partial<Caller> = {}): Ctx {
  const { dataSource } = services;
  return { ...services, ...nobody, ...caller, db: new Db(dataSource.manager, poolOf(dataSource)), transaction: null };
}

/** The context of a signed-in viewer; refuses everybody else, and whoever must set up a second factor first. */
export function signedIn(ctx: Ctx): ViewerCtx {
  const viewerCtx = signedInAtLeast(ctx);
  return viewerCtx.viewer.isConfined
    ? refuse(ProblemCode.SECOND_FACTOR_REQUIRED, "You must have a second factor. Set one up, or prove yours by confirmIdentity, then try again.")
    : viewerCtx;
}

/** The context of a signed-in viewer, even one who must set up a second factor first: for what that takes, and for leaving. */
export function signedInAtLeast(ctx: Ctx): ViewerCtx {
  return hasViewer(ctx) ? ctx : refuse(ProblemCode.UNAUTHENTICATED, "Sign in first.");
}

/** The context of a signed-in administrator; refuses everybody else. */
export function asAdministrator(ctx: Ctx): ViewerCtx {
  const viewerCtx = signedIn(ctx);
  const { isAdministrator, scopes } = viewerCtx.viewer;
  if (isAdministrator) return viewerCtx;
  if (scopes) refuse(ProblemCode.FORBIDDEN, "Only an administrator may do this, with an access token that has the scope ADMIN.");
  refuse(ProblemCode.FORBIDDEN, "Only an administrator may do this. Ask one of yours.");
}

/** The context of a signed-in viewer who has just proved who they are; refuses everybody else. */
export async function signedInAndConfirmed(ctx: Ctx): Promise<ViewerCtx> {
  const viewerCtx = signedIn(ctx);
  await mustBeConfirmed(viewerCtx);
  return viewerCtx;
}

/** The same for what only an administrator may do who has just proved who they are. */
export async function asConfirmedAdministrator(ctx: Ctx): Promise<ViewerCtx> {
  const viewerCtx = asAdministrator(ctx);
  await mustBeConfirmed(viewerCtx);
  return viewerCtx;
}

/**
 * Refuses whoever has not proved within the last minutes who they are, with their second factor if they have one. An open
 * session that somebody else got hold of is not enough for what goes through here. An access token was made with such a proof.
 */
export async function mustBeConfirmed({ db, clock, config, viewer }: ViewerCtx): Promise<void> {
  if (viewer.scopes) return;
  const [confirmed] = await db.run(recentlyConfirmed, [viewer.sessionId, before(clock.now(), config.stepUpMinutes * MINUTE), clock.now()]);
  if (confirmed === undefined)
    refuse(ProblemCode.STEP_UP_REQUIRED, "This needs a recent proof of who you are. Confirm it by confirmIdentity or sign in again, then try again.");
}

const recentlyConfirmed = statement<{ id: string }>(
  "session-confirmed",
  `select s.id from sessions s join accounts a on a.id = s.account_id
   where s.id = $1 and s.confirmed_at > $2 and s.revoked_at is null and s.expires_at > $3 and a.disabled_at is null and (a.second_factor_at is null or s.second_factor_at is not null)`,
);

function hasViewer(ctx: Ctx): ctx is ViewerCtx {
  return ctx.viewer !== null;
}

/**
 * Runs work in one transaction; inside another it joins that one. The inner ctx shadows the outer. After the commit
 * the bus and the relay are told; nothing inside may talk to the world. A deadlock is run again, at most twice.
 */
export async function inTransaction<C extends Ctx, T>(ctx: C, work: (ctx: C) => Promise<T>): Promise<T> {
  if (ctx.transaction !== null) return work(ctx);
  for (let attempt = 1; ; attempt += 1) {
    const transaction: AfterCommit = { topics: new Set(), hasFollowUps: false };
    try {
      const result = await withTransaction(ctx.dataSource, (db) => work({ ...ctx, db, transaction }));
      ctx.bus.signal(transaction.topics);
      if (transaction.hasFollowUps) ctx.relay.wake();
      return result;
    } catch (error) {
      if (attempt === 3 || !isTransactionConflict(error)) throw error;
    }
  }
}

/** A batched read: keys asked for in one tick become one statement, and one request asks for each key once. */
export class Loader<K, V> {
  readonly #loaders = new WeakMap<Ctx, DataLoader<K, V, unknown>>();

  /** `batch` returns values in the order of its keys; give `cacheKey` where keys are objects. */
  constructor(
    private readonly batch: (ctx: Ctx, keys: readonly K[]) => Promise<readonly V[]>,
    private readonly cacheKey: (key: K) => unknown = (key) => key,
  ) {}

  /** Loads by key. */
  load(ctx: Ctx, key: K): Promise<V> {
    let loader = this.#loaders.get(ctx);
    if (loader === undefined) {
      loader = new DataLoader<K, V, unknown>((keys) => this.batch(ctx, keys), { cacheKeyFn: this.cacheKey, maxBatchSize: 1000 });
      this.#loaders.set(ctx, loader);
    }
    return loader.load(key);
  }
}
