import { createHmac } from "node:crypto";
import { DAY } from "../clock.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { firstIdAt } from "../ids.ts";
import type { Opener } from "../vault/seal.ts";
import { encodeList } from "../words/word-list.ts";

/*
 * Large mailboxes have their finished days gathered: the words of a day lie in 32 buckets, and a search reads only those
 * that may have its words. Which group of words (those with the same first three letters) is in which bucket is told by
 * a random key of the mailbox's day, so that nothing but that key links buckets of two days or two mailboxes.
 */
export const BUCKETS = 32;
const GROUP_LENGTH = 3;

/** A mailbox's day whose words are gathered. */
export interface GatheredDay {
  /** UTC days since 1970-01-01. */
  readonly day: number;
  /** The sealed bucket key. */
  readonly bucketKey: Buffer;
}

/** The gathered days of a mailbox from one day to another, both included, newest first. */
export async function gatheredDays(ctx: Ctx, mailboxId: string, from: number, to: number): Promise<GatheredDay[]> {
  return ctx.db.run(daysOfMailbox, [mailboxId, from, to]);
}

/** The least id that a copy of this day can have. */
export function firstIdOfDay(day: number): string {
  return firstIdAt(new Date(day * DAY));
}

/** Opens the key that tells where a mailbox's day has its words. */
export function openBucketKey(opener: Opener, mailboxId: string, sealed: Buffer): Buffer {
  return opener.openBytes({ id: mailboxId, field: "bucket-key" }, sealed);
}

/** The words that lie together: those which begin alike. A prefix of three letters belongs where its words are. */
export function groupOf(form: string): string {
  return form.slice(0, GROUP_LENGTH);
}

/** The bucket of a group on a day with this key. */
export function bucketOf(bucketKey: Buffer, group: string): number {
  return (createHmac("sha256", bucketKey).update(group).digest()[0] ?? 0) % BUCKETS;
}

/** The words of a day while they are gathered. */
export class Buckets {
  readonly #buckets = Array.from({ length: BUCKETS }, () => new Map<string, number[]>());
  readonly #places = new Map<string, number>();

  constructor(private readonly key: Buffer) {}

  /** Whether there is no word yet. */
  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  /** Says that the copy of this number has this form. */
  add(form: string, number: number): void {
    const group = groupOf(form);
    let place = this.#places.get(group);
    if (place === undefined) this.#places.set(group, (place = bucketOf(this.key, group)));
    const numbers = this.#buckets[place]?.get(form);
    if (numbers) numbers.push(number);
    else this.#buckets[place]?.set(form, [number]);
  }

  /** The list of one bucket. */
  list(bucket: number): Buffer {
    return encodeList(this.#buckets[bucket] ?? []);
  }
}

const daysOfMailbox = statement<GatheredDay>(
  "search-days-of-mailbox",
  `select day, bucket_key as "bucketKey" from search_gathered_days where mailbox_id = $1 and day between $2 and $3 order by day desc`,
);
