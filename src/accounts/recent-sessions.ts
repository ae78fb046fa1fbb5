import { LRUCache } from "lru-cache";
import type { Viewer } from "../context.ts";
import { type Bus, topicOfSession } from "../ledger/bus.ts";

const REMEMBER_MS = 1000;
const MOST = 20_000;

/** A session or an access token that the database called alive, and how long it may be taken for that. */
export interface LiveSession {
  readonly viewer: Viewer;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date;
}

/**
 * Sessions and access tokens seen within the last second, by their token: a busy client asks the database once a second, not at every
 * request. The end of a session is heard on the bus and forgets it at once, on every node; a lost signal or a disabled
 * account is noticed within that second.
 */
export class RecentSessions {
  readonly #seen: LRUCache<string, LiveSession & { forget: () => void }>;

  constructor(private readonly bus: Bus) {
    this.#seen = new LRUCache({ max: MOST, ttl: REMEMBER_MS, dispose: ({ forget }) => forget() });
  }

  get(token: string): LiveSession | undefined {
    return this.#seen.get(token);
  }

  keep(token: string, session: LiveSession): void {
    const forget = this.bus.listen(topicOfSession(session.viewer.sessionId), () => this.#seen.delete(token));
    this.#seen.set(token, { ...session, forget });
  }
}
