import { Arg, Ctx as Context, FieldResolver, Int, Resolver, Root } from "type-graphql";
import { type Ctx, signedIn } from "../context.ts";
import { Mailbox } from "../mailboxes/mailbox.ts";
import { MessageFilter } from "../messages/message-filter.ts";
import { SearchConnection, SearchFolder } from "./search-hit.ts";
import { searchMailbox, type SearchPage } from "./search-mailbox.ts";

/** What search adds to a mailbox. */
@Resolver(() => Mailbox)
export class SearchResolver {
  @FieldResolver(() => SearchConnection, {
    description:
      "Messages and drafts that have all the words of a query in subject, body, sender or names of files (not in the files), newest first. Case, accents and English and Spanish endings make no difference. Of a very long message the first 4,000 different words are searched.",
  })
  async search(
    @Context() ctx: Ctx,
    @Root() mailbox: Mailbox,
    @Arg("query", () => String, {
      description:
        "One to eight words, 200 characters at most. `word*` stands for every word that begins so, with three letters or more, and so does the last word while nothing follows it.",
    })
    query: string,
    @Arg("folders", () => [SearchFolder], { nullable: true, description: "Where to look; everywhere if left out." }) folders?: SearchFolder[] | null,
    @Arg("filter", () => MessageFilter, {
      nullable: true,
      description:
        "Which of them. With `unread`, `flagged` or `from` drafts are left out, which have none of these; `since` and `until` go by when a draft was saved.",
    })
    filter?: MessageFilter | null,
    @Arg("first", () => Int, { nullable: true, description: "How many to return: 1 to 100, 25 if left out." }) first?: number | null,
    @Arg("after", () => String, { nullable: true, description: "Return what follows the edge with this cursor." }) after?: string | null,
  ): Promise<SearchPage> {
    return searchMailbox(signedIn(ctx), mailbox, { query, folders, filter, first, after });
  }
}

@Resolver(() => SearchConnection)
export class SearchConnectionResolver {
  @FieldResolver(() => [SearchFolder], { description: "Where was looked." })
  searchedFolders(@Root() page: SearchPage): SearchFolder[] {
    return page.searchedFolders;
  }
}
