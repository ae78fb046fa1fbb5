import { randomBytes } from "node:crypto";
import { after, MINUTE } from "../clock.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";

/** How long somebody may take at the provider. */
export const REQUEST_MINUTES = 10;

/**
 * Keeps what a sign-in that leaves for the provider must find again, and returns the token that goes into a cookie of the
 * browser: without it nobody can end what it began. Only the token's hash is kept, and the content sealed.
 */
export async function keepRequest<T>(ctx: Ctx, content: T, requestId: string | null = null): Promise<string> {
  const token = randomBytes(32).toString("base64url");
  const now = ctx.clock.now();
  const id = newId(now);
  const sealed = (await ctx.dataKeys.directory()).seal({ id, field: "sign-in" }, content);
  await ctx.db.run(addRequest, [id, hashOf(ctx, token), requestId, sealed, after(now, REQUEST_MINUTES * MINUTE)]);
  return token;
}

/** Takes the request that a browser began: once, within ten minutes; undefined otherwise. */
export async function takeRequest<T>(ctx: Ctx, token: string | undefined): Promise<T | undefined> {
  if (token === undefined) return undefined;
  const [row] = await ctx.db.run(takeByCookie, [hashOf(ctx, token), ctx.clock.now()]);
  return row && (await ctx.dataKeys.directory()).open<T>({ id: row.id, field: "sign-in" }, row.content);
}

/** What was kept of a request that waits for its answer, by the id under which the provider answers it. */
export async function waitingRequest<T>(ctx: Ctx, requestId: string): Promise<T | undefined> {
  const [row] = await ctx.db.run(waitingById, [requestId, ctx.clock.now()]);
  return row && (await ctx.dataKeys.directory()).open<T>({ id: row.id, field: "sign-in" }, row.content);
}

/**
 * Keeps the answer to a request, once, and returns the ticket for the browser that brought it; undefined if there is no
 * such request or it was answered before. Ticket and cookie together take it: whoever lures somebody else into answering
 * for them has no ticket, and whoever is lured has no cookie.
 */
export async function answerRequest<T>(ctx: Ctx, requestId: string, outcome: T): Promise<string | undefined> {
  const [row] = await ctx.db.run(waitingById, [requestId, ctx.clock.now()]);
  if (row === undefined) return undefined;
  const ticket = randomBytes(32).toString("base64url");
  const sealed = (await ctx.dataKeys.directory()).seal({ id: row.id, field: "sign-in" }, outcome);
  const answered = await ctx.db.run(answerWaiting, [row.id, hashOf(ctx, ticket), sealed]);
  return answered.length > 0 ? ticket : undefined;
}

/** Takes the answer that `answerRequest` kept; once, and only with both halves. */
export async function takeAnswer<T>(ctx: Ctx, token: string | undefined, ticket: string | undefined): Promise<T | undefined> {
  if (token === undefined || ticket === undefined) return undefined;
  const [row] = await ctx.db.run(takeByTicket, [hashOf(ctx, token), hashOf(ctx, ticket), ctx.clock.now()]);
  return row && (await ctx.dataKeys.directory()).open<T>({ id: row.id, field: "sign-in" }, row.outcome);
}

/** Removes requests that nobody came back from, and the marks of orders that could not be repeated anyway; at most so many of each. Returns how many of the larger. */
export async function dropStaleRequests(ctx: Ctx, most: number): Promise<number> {
  const now = ctx.clock.now();
  const requests = await ctx.db.run(dropRequests, [now, most]);
  const spent = await ctx.db.run(dropSpent, [now, most]);
  return Math.max(requests.length, spent.length);
}

function hashOf(ctx: Ctx, token: string): Buffer {
  return ctx.keyedHash.hash("sign-in-request", token);
}

const addRequest = statement(
  "sign-in-request-add",
  "insert into sign_in_requests (id, cookie_hash, request_id, content, expires_at) values ($1, $2, $3, $4, $5)",
);

const takeByCookie = statement<{ id: string; content: Buffer }>(
  "sign-in-request-take",
  "delete from sign_in_requests where cookie_hash = $1 and request_id is null and expires_at > $2 returning id, content",
);

const waitingById = statement<{ id: string; content: Buffer }>(
  "sign-in-request-waiting",
  "select id, content from sign_in_requests where request_id = $1 and outcome is null and expires_at > $2",
);

const answerWaiting = statement<{ id: string }>(
  "sign-in-request-answer",
  "update sign_in_requests set ticket_hash = $2, outcome = $3 where id = $1 and outcome is null returning id",
);

const takeByTicket = statement<{ id: string; outcome: Buffer }>(
  "sign-in-request-take-answer",
  "delete from sign_in_requests where cookie_hash = $1 and ticket_hash = $2 and expires_at > $3 returning id, outcome",
);

const dropRequests = statement(
  "sign-in-requests-drop",
  `delete from sign_in_requests where id in (select id from sign_in_requests where expires_at <= $1 order by expires_at limit $2 for update skip locked)
   returning 1 as one`,
);

const dropSpent = statement(
  "spent-logouts-drop",
  `delete from spent_logouts where hash in (select hash from spent_logouts where expires_at <= $1 order by expires_at limit $2 for update skip locked)
   returning 1 as one`,
);
