import { setImmediate } from "node:timers/promises";
import type { ViewerCtx } from "../context.ts";
import { type Connection, connection, decodeCursor, type Edge, encodeCursor, pageRequest, type PageRequest } from "../graphql/connection.ts";
import { firstIdAt } from "../ids.ts";
import type { Mailbox } from "../mailboxes/mailbox.ts";
import { copiesAmong } from "../messages/copy-queries.ts";
import { Copy, Folder } from "../messages/copy.ts";
import { DRAFT_CURSOR_FORM, draftPage } from "../messages/draft-queries.ts";
import type { Draft } from "../messages/draft.ts";
import type { MessageFilter } from "../messages/message-filter.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { occurrencesIn, type Term, termsOf } from "../words/search-term.ts";
import { findCandidates } from "./find-candidates.ts";
import { SearchField, SearchFolder, SearchHit } from "./search-hit.ts";
import { passagesOf, passagesOfDraft, snippetOf } from "./snippets.ts";
import type { IdRange } from "./word-lists.ts";

const CANDIDATES_AT_ONCE = 300;
const DRAFTS_AT_ONCE = 10;
const FIRST_ID = firstIdAt(new Date(0));
const LAST_ID = "ffffffff-ffff-7fff-bfff-ffffffffffff";

/** What to search for, and where. */
export interface SearchMailbox {
  readonly query: string;
  /** All folders and the drafts if left out. */
  readonly folders?: readonly SearchFolder[] | null | undefined;
  readonly filter?: MessageFilter | null | undefined;
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
}

/** A page of what was found, and where was looked. */
export interface SearchPage extends Connection<SearchHit> {
  searchedFolders: SearchFolder[];
}

/** Finds messages and drafts that have all the words of a query, newest first. The mailbox was loaded through the viewer. */
export async function searchMailbox(ctx: ViewerCtx, mailbox: Mailbox, { query, folders, filter, first, after }: SearchMailbox): Promise<SearchPage> {
  const terms = termsOf(query);
  const page = pageRequest({ first, after }, ctx.config.limits);
  if (folders?.length === 0) refuse(ProblemCode.INVALID_INPUT, "Name at least one folder to search.", { field: "folders" });
  const asked = folders ?? Object.values(SearchFolder);
  const searchedFolders = Object.values(SearchFolder).filter((folder) => asked.includes(folder) && (folder !== "DRAFTS" || fitsDrafts(filter)));
  const search: Search = { mailbox, terms, filter, page, folders: Object.values(Folder).filter((folder) => searchedFolders.includes(folder)) };

  const hits: SearchHit[] = [];
  const copies = matchingCopies(ctx, search);
  for await (const found of searchedFolders.includes("DRAFTS") ? newestFirst(copies, matchingDrafts(ctx, search)) : copies) {
    hits.push(Object.assign(new SearchHit(), { found, snippets: [] }));
    if (hits.length > page.size) break;
  }
  const { edges, pageInfo } = connection(hits, page, ({ found }) => encodeCursor("search", timeOf(found), found.uuid));
  if (ctx.selects.has("SearchHit.snippets")) await addSnippets(ctx, edges, terms);
  return { edges, pageInfo, searchedFolders };
}

/** A search taken apart. */
interface Search {
  readonly mailbox: Mailbox;
  readonly terms: readonly Term[];
  /** Where to look for messages. */
  readonly folders: readonly Folder[];
  readonly filter: MessageFilter | null | undefined;
  readonly page: PageRequest;
}

async function* matchingCopies(ctx: ViewerCtx, { mailbox, terms, folders, filter, page }: Search): AsyncGenerator<Copy> {
  if (folders.length === 0) return;
  const atMost = page.size + 1; // More are never asked for: so many fill the page
  for await (const ids of findCandidates(ctx, mailbox.uuid, terms, rangeOf(filter, page.after))) {
    for (let n = 0; n < ids.length; n += CANDIDATES_AT_ONCE) {
      yield* await copiesAmong(ctx, mailbox, { ids: ids.slice(n, n + CANDIDATES_AT_ONCE), folders, filter, atMost });
    }
  }
}

/** The ids that copies can have which the filter allows and the cursor has not passed. */
function rangeOf(filter: MessageFilter | null | undefined, after: string | null): IdRange {
  const [time, uuid = LAST_ID] = after === null ? [] : decodeCursor("search", after, "after", DRAFT_CURSOR_FORM);
  // A draft's id is older than its last saving, by which it stands among messages.
  const passed = time === undefined ? LAST_ID : [uuid, firstIdAt(new Date(Number(time)))].sort()[1];
  const ends = [passed, filter?.until ? firstIdAt(filter.until) : LAST_ID].sort();
  return { from: filter?.since ? firstIdAt(filter.since) : FIRST_ID, to: ends[0] ?? LAST_ID };
}

/** Drafts change too often for lists of their words: they are opened, a few at a time. */
async function* matchingDrafts(ctx: ViewerCtx, { mailbox, terms, filter, page }: Search): AsyncGenerator<Draft> {
  const passed = page.after === null ? null : encodeCursor("draft", ...decodeCursor("search", page.after, "after", DRAFT_CURSOR_FORM));
  for (let cursor = passed, isMore = true; isMore;) {
    const { edges, pageInfo } = await draftPage(ctx, mailbox, { first: DRAFTS_AT_ONCE, after: cursor });
    const drafts = await Promise.all(edges.map(async ({ node }) => ({ draft: node, passages: await passagesOfDraft(ctx, node) })));
    for (const { draft, passages } of drafts) {
      const found = new Set(passages.flatMap(({ text }) => occurrencesIn(text, terms)).flatMap(({ terms }) => terms));
      const hasFiles = passages.some(({ field }) => field === SearchField.ATTACHMENT);
      if (found.size === terms.length && passes(draft, hasFiles, filter)) yield draft;
      await setImmediate();
    }
    cursor = pageInfo.endCursor;
    isMore = pageInfo.hasNextPage;
  }
}

/** Whether a filter asks for nothing that only messages have. */
function fitsDrafts(filter: MessageFilter | null | undefined): boolean {
  return filter?.unread == null && filter?.flagged == null && filter?.from == null;
}

function passes({ priority, savedAt }: Draft, hasFiles: boolean, filter: MessageFilter | null | undefined): boolean {
  const { hasAttachments, priority: priorities, since, until } = filter ?? {};
  if (hasAttachments != null && hasAttachments !== hasFiles) return false;
  return (priorities?.includes(priority) ?? true) && (since == null || savedAt >= since) && (until == null || savedAt < until);
}

/** Messages and drafts, each newest first, as one. */
async function* newestFirst(copies: AsyncGenerator<Copy>, drafts: AsyncGenerator<Draft>): AsyncGenerator<Copy | Draft> {
  let [copy, draft] = await Promise.all([copies.next(), drafts.next()]);
  for (;;) {
    if (!copy.done && (draft.done || isNewer(copy.value, draft.value))) {
      yield copy.value;
      copy = await copies.next();
    } else if (!draft.done) {
      yield draft.value;
      draft = await drafts.next();
    } else return;
  }
}

function isNewer(one: Copy | Draft, other: Copy | Draft): boolean {
  return timeOf(one) === timeOf(other) ? one.uuid > other.uuid : timeOf(one) > timeOf(other);
}

/** When a message was sent, or a draft last saved, in milliseconds since 1970. */
function timeOf(found: Copy | Draft): number {
  return (found instanceof Copy ? found.sentAt : found.savedAt).getTime();
}

async function addSnippets(ctx: ViewerCtx, edges: readonly Edge<SearchHit>[], terms: readonly Term[]): Promise<void> {
  const hits = await Promise.all(edges.map(async ({ node }) => ({ node, passages: await passagesOf(ctx, node.found) })));
  for (const { node, passages } of hits) {
    node.snippets = passages.flatMap((passage) => snippetOf(passage, terms) ?? []);
    await setImmediate();
  }
}
