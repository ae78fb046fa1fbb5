import { SearchDocument, type SearchQuery, type SearchQueryVariables } from "../../operations/generated/operations.ts";
import type { SignedInPerson } from "./people.ts";

/** A page of a search, as it came. */
export type SearchPage = NonNullable<SearchQuery["mailbox"]>["search"];
export type SearchHit = SearchPage["edges"][number]["node"];

/** Searches somebody's mailbox, the longest page unless said otherwise. */
export async function searchPage(person: SignedInPerson, query: string, options: Partial<Omit<SearchQueryVariables, "query">> = {}): Promise<SearchPage> {
  const { mailbox } = await person.client.run(SearchDocument, { mailboxId: person.mailboxId, first: 100, ...options, query });
  if (mailbox === null) throw new Error("There is no such mailbox");
  return mailbox.search;
}

/** What a search finds, in order. */
export async function hitsOf(...search: Parameters<typeof searchPage>): Promise<SearchHit[]> {
  return (await searchPage(...search)).edges.map(({ node }) => node);
}

/** The subjects of what a search finds, in order. */
export async function subjectsOf(...search: Parameters<typeof searchPage>): Promise<string[]> {
  return (await hitsOf(...search)).map(({ found }) => found.subject);
}
