import { createUnionType, Field, Int, ObjectType, registerEnumType } from "type-graphql";
import { connectionOf } from "../graphql/connection.ts";
import { Copy, Folder } from "../messages/copy.ts";
import { Draft } from "../messages/draft.ts";

/** Where a search looks: the folders, and the drafts beside them. */
export const SearchFolder = { ...Folder, DRAFTS: "DRAFTS" } as const;
export type SearchFolder = (typeof SearchFolder)[keyof typeof SearchFolder];

registerEnumType(SearchFolder, {
  name: "SearchFolder",
  description: "Where a search looks.",
  valuesConfig: {
    INBOX: { description: "What came in." },
    SENT: { description: "What was sent from this mailbox." },
    ARCHIVE: { description: "What was put away." },
    TRASH: { description: "What was thrown away." },
    DRAFTS: { description: "What is not sent yet." },
  },
});

/** Which part of a message a snippet is from. */
export enum SearchField {
  SUBJECT = "SUBJECT",
  FROM = "FROM",
  BODY = "BODY",
  ATTACHMENT = "ATTACHMENT",
}

registerEnumType(SearchField, {
  name: "SearchField",
  description: "Which part of a message or a draft a snippet is from.",
  valuesConfig: {
    SUBJECT: { description: "Its subject." },
    FROM: { description: "Its sender's name and address." },
    BODY: { description: "What it says; of a message that was not opened in this mailbox only its preview." },
    ATTACHMENT: { description: "The name of one of its files." },
  },
});

/** Where in a snippet a word stands that was searched for. */
@ObjectType({
  simpleResolvers: true,
  description: "Where in a snippet a word stands that was searched for, in UTF-16 code units, as JavaScript and Java count.",
})
export class Highlight {
  @Field(() => Int, { description: "Where it begins; 0 is the first." })
  start!: number;

  @Field(() => Int, { description: "How long it is." })
  length!: number;
}

/** Some words around what was found. */
@ObjectType({ simpleResolvers: true, description: "Some words around what was found, as plain text on one line." })
export class Snippet {
  @Field(() => SearchField, { description: "Where they are from." })
  field!: SearchField;

  @Field(() => String, { description: "The words; `…` stands where something was left out." })
  text!: string;

  @Field(() => [Highlight], { description: "The words in it that were searched for, in order." })
  highlights!: Highlight[];
}

const Found = createUnionType({
  name: "Found",
  description: "What a search can find.",
  types: () => [Copy, Draft] as const,
});

/** A message or a draft that has all the words. */
@ObjectType({ simpleResolvers: true, description: "A message or a draft that has all the words of the query." })
export class SearchHit {
  @Field(() => Found, { description: "What was found." })
  found!: Copy | Draft;

  @Field(() => [Snippet], {
    description:
      "Where it has them. Looking at snippets opens nothing: a message that was not opened yet shows no more than its list row and the names of its files, so that it may have none.",
  })
  snippets!: Snippet[];
}

/** A page of what was found. */
export const SearchConnection = connectionOf("Search", () => SearchHit, "messages and drafts found");
