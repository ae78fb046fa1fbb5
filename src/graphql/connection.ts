import { type ClassType, ArgsType, Field, Int, ObjectType } from "type-graphql";
import type { Limits } from "../limits.ts";
import { ProblemCode, refuse, withinLimit } from "../problem.ts";

const DEFAULT_PAGE_SIZE = 25;

/** Where a connection's page begins and ends (Relay Cursor Connections). */
@ArgsType()
export class ConnectionArgs {
  @Field(() => Int, { nullable: true, description: "How many to return from the start, or from `after`: 1 to 100, 25 if neither `first` nor `last` is given." })
  first?: number | null;

  @Field(() => String, { nullable: true, description: "Return what follows the edge with this cursor." })
  after?: string | null;

  @Field(() => Int, { nullable: true, description: "How many to return from the end, or up to `before`: 1 to 100. Not together with `first`." })
  last?: number | null;

  @Field(() => String, { nullable: true, description: "Return what precedes the edge with this cursor." })
  before?: string | null;
}

/** Whether there is more in either direction, and where to go on. */
@ObjectType({ simpleResolvers: true, description: "Whether there is more in either direction, and where to go on." })
export class PageInfo {
  @Field(() => Boolean, { description: "True if something follows the last edge." })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: "True if something precedes the first edge." })
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: "Cursor of the first edge; null on an empty page." })
  startCursor!: string | null;

  @Field(() => String, { nullable: true, description: "Cursor of the last edge, to be given as `after`; null on an empty page." })
  endCursor!: string | null;
}

/** A page of T with a cursor for each. */
export interface Connection<T> {
  edges: Edge<T>[];
  pageInfo: PageInfo;
}

/** One entry of a page. */
export interface Edge<T> {
  cursor: string;
  node: T;
}

/** Makes the `XConnection` and `XEdge` types of a node type. */
export function connectionOf<T extends object>(name: string, node: () => ClassType<T> | (abstract new () => T), what: string) {
  @ObjectType(`${name}Edge`, { simpleResolvers: true, description: `One of the ${what} on a page.` })
  class NodeEdge implements Edge<T> {
    @Field(() => String, { description: "Opaque and stable; say `after` or `before` it to page on." })
    cursor!: string;

    @Field(() => node(), { description: "What stands here." })
    node!: T;
  }

  @ObjectType(`${name}Connection`, { simpleResolvers: true, description: `A page of ${what}.` })
  class NodeConnection implements Connection<T> {
    @Field(() => [NodeEdge], { description: "What is on this page, in order." })
    edges!: NodeEdge[];

    @Field(() => PageInfo, { description: "Whether there is more, and where to go on." })
    pageInfo!: PageInfo;
  }
  return NodeConnection;
}

/** A request for one page, checked: walk from `after` forwards, or from `before` backwards. */
export interface PageRequest {
  readonly size: number;
  readonly backwards: boolean;
  readonly after: string | null;
  readonly before: string | null;
}

/** Checks a page's arguments against the hard limit. */
export function pageRequest(args: ConnectionArgs, limits: Limits): PageRequest {
  const { first, last, after, before } = args;
  if (first != null && last != null) refuse(ProblemCode.INVALID_INPUT, "Give `first` or `last`, not both.", { field: "last" });
  const field = last != null ? "last" : "first";
  const size = first ?? last ?? DEFAULT_PAGE_SIZE;
  if (size < 1) refuse(ProblemCode.INVALID_INPUT, "A page has at least one entry.", { field });
  withinLimit(size, limits.maxPageSize, field, "Entries of a page");
  return { size, backwards: last != null, after: after ?? null, before: before ?? null };
}

/** Makes a connection of rows read in walking order, one more than the page asked for where there are more. */
export function connection<T>(rows: T[], page: PageRequest, cursorOf: (row: T) => string): Connection<T> {
  const hasMore = rows.length > page.size;
  const shown = hasMore ? rows.slice(0, page.size) : rows;
  if (page.backwards) shown.reverse();
  const edges = shown.map((node) => ({ cursor: cursorOf(node), node }));
  return {
    edges,
    pageInfo: {
      hasNextPage: page.backwards ? page.before !== null : hasMore,
      hasPreviousPage: page.backwards ? hasMore : page.after !== null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

/** An opaque cursor of a few plain values; `kind` keeps a cursor of one connection from being taken by another. */
export function encodeCursor(kind: string, ...values: (string | number)[]): string {
  return Buffer.from([kind, ...values].join(" ")).toString("base64url");
}

/** Takes a cursor of this kind apart; refuses any other text. */
export function decodeCursor(kind: string, cursor: string, field: string, form: RegExp): string[] {
  const [found, ...values] = cursor.length > 1000 ? [] : Buffer.from(cursor, "base64url").toString("latin1").split(" ");
  if (found !== kind || !form.test(values.join(" ")))
    refuse(ProblemCode.INVALID_INPUT, "This cursor is not one of ours, or belongs to another connection.", { field });
  return values;
}

/** Form of a cursor that is one UUID. */
export const UUID_FORM = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
