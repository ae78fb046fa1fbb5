import { getIntrospectionQuery } from "graphql";
import { operationLimits } from "../../src/server/operation-limits.ts";
import { poolOf } from "../../src/db/database.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import type { Answer } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { deliver, sendMessage } from "../support/mail.ts";
import { employee, member, type SignedInPerson } from "../support/people.ts";
import { RawSocket } from "../support/raw-socket.ts";

const { maxTokens, maxFields, maxDepth, maxAliases, maxDirectives, maxRootFields, maxCost } = operationLimits;

/** Generous: it takes a few milliseconds, and the machine may be busy with other tests. */
const AT_ONCE_MS = 3000; // Far above what it takes, so that a busy machine changes nothing; a bomb that goes off takes minutes

/** Something to be asked of a message, by a query or by a subscription. */
interface Wish {
  readonly selection: string;
  readonly fragments?: string;
  readonly declared?: string;
  readonly variables?: Record<string, unknown>;
}

const times = (n: number, part: (n: number) => string): string => Array.from({ length: n }, (_, k) => part(k)).join(" ");
const nested = (levels: number, open: string, innermost: string, close = "}"): string =>
  `${`${open} `.repeat(levels)}${innermost}${` ${close}`.repeat(levels)}`;
const page = (size: string, node: string): string => `thread { messages(first: ${size}) { edges { node { ${node} } } } }`;

/** Whatever is refused before anything runs, and what is just small enough. */
const wishes: Record<string, { refused: [wish: Wish, code: string]; granted: Wish }> = {
  "deeper than allowed": {
    refused: [{ selection: nested(maxDepth - 1, "inReplyTo {", "id") }, "LIMIT_EXCEEDED"],
    granted: { selection: nested(maxDepth - 2, "inReplyTo {", "id") },
  },
  "deeper than allowed by fragments": {
    refused: [
      {
        selection: "...F0",
        fragments: `${times(maxDepth, (n) => `fragment F${n} on Message { inReplyTo { ...F${n + 1} } }`)} fragment F${maxDepth} on Message { id }`,
      },
      "LIMIT_EXCEEDED",
    ],
    granted: { selection: "...F0", fragments: `${times(20, (n) => `fragment F${n} on Message { ...F${n + 1} }`)} fragment F20 on Message { id }` },
  },
  "more aliases than allowed": {
    refused: [{ selection: times(maxAliases + 1, (n) => `a${n}: id`) }, "LIMIT_EXCEEDED"],
    granted: { selection: times(maxAliases, (n) => `a${n}: id`) },
  },
  "more directives than allowed": {
    refused: [{ selection: times(maxDirectives + 1, () => "id @include(if: true)") }, "LIMIT_EXCEEDED"],
    granted: { selection: times(maxDirectives, () => "id @include(if: true)") },
  },
  "directives that nothing uses": {
    refused: [{ selection: "id", fragments: `fragment Unused on Message { ${times(maxDirectives + 1, () => "id @include(if: true)")} }` }, "LIMIT_EXCEEDED"],
    granted: { selection: "id ...Used", fragments: "fragment Used on Message { id @include(if: true) }" },
  },
  "more fields than allowed": {
    refused: [{ selection: times(maxFields, () => "id") }, "LIMIT_EXCEEDED"],
    granted: { selection: times(maxFields - 1, () => "id") },
  },
  "hundreds of equal selections to merge": {
    refused: [{ selection: times(480, () => "from { address }") }, "LIMIT_EXCEEDED"],
    granted: { selection: times(100, () => "from { address }") },
  },
  "hundreds of equal selections that nothing uses": {
    refused: [{ selection: "id", fragments: `fragment Unused on Message { ${times(480, () => "from { address }")} }` }, "LIMIT_EXCEEDED"],
    granted: { selection: "id ...Used", fragments: "fragment Used on Message { from { address } }" },
  },
  "100 KB of tokens": {
    refused: [{ selection: times(34_000, () => "id") }, "GRAPHQL_PARSE_FAILED"],
    granted: { selection: `id # ${"x".repeat(100_000)}\n` },
  },
  "a selection nested a thousand times": {
    refused: [{ selection: nested(maxTokens / 2, "... {", "id") }, "GRAPHQL_PARSE_FAILED"],
    granted: { selection: nested(maxTokens / 4, "... {", "id") },
  },
  "fragments that double a hundred times": {
    refused: [
      {
        selection: "...F0",
        fragments: `${times(100, (n) => `fragment F${n} on Message { ...F${n + 1} ...F${n + 1} }`)} fragment F100 on Message { from { address } }`,
      },
      "LIMIT_EXCEEDED",
    ],
    granted: {
      selection: "...F0",
      fragments: `${times(8, (n) => `fragment F${n} on Message { ...F${n + 1} ...F${n + 1} }`)} fragment F8 on Message { from { address } }`,
    },
  },
  "fragments that go round in a circle": {
    refused: [{ selection: "...F0", fragments: times(100, (n) => `fragment F${n} on Message { id ...F${(n + 1) % 100} }`) }, "GRAPHQL_VALIDATION_FAILED"],
    granted: { selection: "...F0", fragments: `${times(99, (n) => `fragment F${n} on Message { id ...F${n + 1} }`)} fragment F99 on Message { id }` },
  },
  "a fragment within itself": {
    refused: [{ selection: "...F", fragments: "fragment F on Message { inReplyTo { ...F } }" }, "GRAPHQL_VALIDATION_FAILED"],
    granted: { selection: "...F", fragments: "fragment F on Message { inReplyTo { id } }" },
  },
  "a billion rows by a literal": {
    refused: [{ selection: page("1000000000", "id") }, "LIMIT_EXCEEDED"],
    granted: { selection: page("100", "id") },
  },
  "a billion rows by a variable": {
    refused: [{ selection: page("$n", "id"), declared: "$n: Int", variables: { n: 1e9 } }, "LIMIT_EXCEEDED"],
    granted: { selection: page("$n", "id"), declared: "$n: Int", variables: { n: 100 } },
  },
  "a billion rows by a variable's default": {
    refused: [{ selection: page("$n", "id"), declared: "$n: Int = 1000000000" }, "LIMIT_EXCEEDED"],
    granted: { selection: page("$n", "id"), declared: "$n: Int = 1000000000", variables: { n: 100 } },
  },
  "a million rows by pages in pages": {
    refused: [{ selection: page("100", page("100", page("100", "id"))) }, "LIMIT_EXCEEDED"],
    granted: { selection: page("30", page("30", "id")) },
  },
  "an input nested hundreds of times": {
    refused: [{ selection: `thread { messages(after: ${nested(400, "[", "1", "]")}) { edges { cursor } } }` }, "GRAPHQL_VALIDATION_FAILED"],
    granted: { selection: "thread { messages(after: null) { edges { cursor } } }" },
  },
  "a variable nested a thousand times": {
    refused: [
      {
        selection: "thread { messages(after: $after) { edges { cursor } } }",
        declared: "$after: String",
        variables: { after: JSON.parse(nested(1000, "[", "", "]")) },
      },
      "BAD_USER_INPUT",
    ],
    granted: { selection: "thread { messages(after: $after) { edges { cursor } } }", declared: "$after: String", variables: { after: null } },
  },
};

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;
let messageId: string;
let socket: RawSocket;

beforeAll(async () => {
  app = await startTestApp();
  [erin, maria] = await Promise.all([employee(app, "erin"), member(app, "maria")]);
  messageId = (await deliver(erin, maria)).id;
  socket = await RawSocket.open(app.url);
  await socket.say({ type: "connection_init", payload: { authorization: `Bearer ${maria.client.token ?? ""}` } });
  await eventually(() => expect(socket.heard).toEqual([{ type: "connection_ack" }]));
});

afterAll(async () => {
  await socket.close();
  await app.close();
});

describe.each(Object.entries(wishes))("%s", (what, { refused: [wish, code], granted }) => {
  test("is refused by POST, at once; a little less is not", async () => {
    const started = performance.now();
    const answer = await post(wish);
    expect(performance.now() - started).toBeLessThan(AT_ONCE_MS);
    expect(answer).toMatchObject({ status: 400, errors: [{ extensions: { code } }] });
    expect(answer).not.toHaveProperty("data");
    expect(await post(granted)).toMatchObject({ status: 200, data: { message: expect.anything() } });
  });

  test("is refused over the WebSocket, at once; a little less is not", async () => {
    const started = performance.now();
    const refused = await subscribe(`${what}, refused`, wish);
    expect(performance.now() - started).toBeLessThan(AT_ONCE_MS);
    expect(refused).toMatchObject({ errors: [{ extensions: { code } }] });
    const event = await subscribe(`${what}, granted`, granted, () => sendMessage(erin, { to: [maria.address] }));
    expect(event).toEqual({ data: { messageReceived: expect.anything() } });
  });
});

describe("what is refused so", () => {
  const refused = Object.values(wishes).map(({ refused: [wish] }) => wish);
  const granted = Object.values(wishes).map((wish) => wish.granted);
  // A session is looked up once a second, and the server itself looks into the database now and then: fewer looks than refusals.
  const BESIDES = refused.length;

  test("costs by POST no look at the database", async () => {
    expect(await looksAtTheDatabase(() => inTurn(refused, post))).toBeLessThan(BESIDES);
    expect(await looksAtTheDatabase(() => inTurn(granted, post))).toBeGreaterThanOrEqual(granted.length);
  });

  test("costs over the WebSocket no look at the database", async () => {
    expect(await looksAtTheDatabase(() => inTurn(refused, (wish, n) => subscribe(`look ${n}`, wish)))).toBeLessThan(BESIDES);
  });
});

describe("a document sent by POST", () => {
  test.each([
    ["by an alias", "mutation { signOut { __typename } again: signOut { __typename } }"],
    ["by the same name", "mutation { signOut { __typename } signOut { __typename } }"],
    ["by a fragment", "mutation { signOut { __typename } ...F } fragment F on Mutation { again: signOut { __typename } }"],
    ["by an inline fragment", "mutation { signOut { __typename } ... on Mutation { ... { again: signOut { __typename } } } }"],
    ["by a directive that may leave one out", "mutation ($no: Boolean = false) { signOut { __typename } again: signOut @include(if: $no) { __typename } }"],
  ])("cannot do two things at once: %s", async (_how, mutation) => {
    expect(await maria.client.send(mutation)).toEqual({
      status: 400,
      errors: [{ message: "A mutation may have 1 field at its root, not 2.", extensions: { code: "LIMIT_EXCEEDED" } }],
    });
    expect(await maria.client.send("{ viewer { account { userId } } }")).toMatchObject({ data: { viewer: { account: { userId: "maria" } } } });
  });

  test(`reads ${maxRootFields} things at once, and no more`, async () => {
    const query = (n: number): string => `{ ${times(n, (k) => `a${k}: limits { maxIds }`)} }`;
    expect(await maria.client.refusals(query(maxRootFields + 1))).toEqual(["LIMIT_EXCEEDED"]);
    expect(await maria.client.send(query(maxRootFields))).toMatchObject({ status: 200, data: { a0: { maxIds: 100 } } });
  });

  test("may look at the whole schema as tools do, but not over and over in one request", async () => {
    expect(await maria.client.send(getIntrospectionQuery())).toMatchObject({ status: 200, data: { __schema: { queryType: { name: "Query" } } } });
    for (const query of [
      `{ __schema { ${times(20, (n) => `a${n}: types { name }`)} } }`,
      "{ __schema { types { ...F } } } fragment F on __Type { a: fields { name } b: fields { name } }",
    ]) {
      expect(await maria.client.refusals(query)).toEqual(["LIMIT_EXCEEDED"]);
    }
    expect(await maria.client.refusals("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }")).toEqual([
      "GRAPHQL_VALIDATION_FAILED",
    ]);
  });

  test("pays for a list of ids by its length", async () => {
    const ids = Array.from({ length: 100 }, () => messageId);
    const cost = async (query: string, variables: object): Promise<unknown> => (await maria.client.send(query, variables)).extensions?.cost;
    expect(await cost("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", { ids })).toEqual({ requested: 100, limit: maxCost });
    expect(await cost(`query { nodes(ids: ${JSON.stringify(ids)}) { id } }`, {})).toEqual({ requested: 100, limit: maxCost });
    const thread = `query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Message { ${page("100", "id")} } } }`;
    expect(await maria.client.refusals(thread, { ids })).toEqual(["LIMIT_EXCEEDED"]);
    expect(await maria.client.refusals(thread, { ids: ids.slice(0, 10) })).toEqual([]);
    const marking = `mutation ($ids: [ID!]!) { markRead(input: { messageIds: $ids }) { ... on MarkReadPayload { messages { ${page("100", "id")} } } } }`;
    expect(await maria.client.refusals(marking, { ids })).toEqual(["LIMIT_EXCEEDED"]);
    expect(await maria.client.refusals(marking, { ids: ids.slice(0, 10) })).toEqual([]);
  });

  test("is told its cost with the answer: each object of a page counts", async () => {
    const cost = async (wish: Wish): Promise<unknown> => (await post(wish)).extensions?.cost;
    expect(await cost({ selection: "id subject" })).toEqual({ requested: 1, limit: maxCost });
    expect(await cost({ selection: page("100", "id") })).toEqual({ requested: 302, limit: maxCost });
    expect(await cost({ selection: "thread { messages { edges { node { id } } } }" })).toEqual({ requested: 77, limit: maxCost });
    expect(await post({ selection: page("100", page("100", "id")) })).toMatchObject({
      errors: [{ message: expect.stringContaining("at most 5,000 are allowed"), extensions: { code: "LIMIT_EXCEEDED", limit: maxCost } }],
      extensions: { cost: { limit: maxCost } },
    });
  });
});

describe("huge variables are refused at once:", () => {
  const query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";

  test.each<[what: string, ids: () => string, code: string]>([
    ["a hundred thousand ids", () => JSON.stringify(Array.from({ length: 100_000 }, () => messageId)), "LIMIT_EXCEEDED"],
    ["an id of three megabytes", () => JSON.stringify(["x".repeat(3_000_000)]), "NOT_FOUND"],
    ["a hundred thousand lists in one another", () => nested(100_000, "[", "1", "]"), "BAD_USER_INPUT"],
    ["a hundred thousand objects in one another", () => nested(100_000, '{"a":', "1"), "BAD_USER_INPUT"],
  ])("%s", async (_what, ids, code) => {
    const body = `{"query":${JSON.stringify(query)},"variables":{"ids":${ids()}}}`;
    const headers = { "content-type": "application/json", authorization: `Bearer ${maria.client.token ?? ""}` };
    const started = performance.now();
    const response = await fetch(`${app.url}/graphql`, { method: "POST", headers, body });
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code } }] });
    expect(performance.now() - started).toBeLessThan(AT_ONCE_MS);
  });

  test("twenty thousand recipients", async () => {
    const to = Array.from({ length: 20_000 }, (_, n) => `somebody.${n}@insurer.example`);
    const started = performance.now();
    expect(await sendMessage(maria, { to })).toMatchObject({ code: "LIMIT_EXCEEDED", field: "to", limit: 100 });
    expect(performance.now() - started).toBeLessThan(AT_ONCE_MS);
  });
});

function post({ selection, fragments = "", declared = "", variables = {} }: Wish): Promise<Answer<Record<string, unknown>>> {
  return maria.client.send(`query ($id: ID!, ${declared}) { message(id: $id) { ${selection} } } ${fragments}`, { ...variables, id: messageId });
}

/** What is said first about a subscription, which then ends; `until` is done over and over until something is said. */
async function subscribe(id: string, { selection, fragments = "", declared = "", variables = {} }: Wish, until?: () => Promise<unknown>): Promise<unknown> {
  const query = `subscription ($id: ID!, ${declared}) { messageReceived(mailboxId: $id) { ${selection} } } ${fragments}`;
  await socket.subscribe(id, query, { ...variables, id: maria.mailboxId });
  const first = await eventually(async () => {
    await until?.();
    const [message] = socket.about(id);
    if (message === undefined) throw new Error(`Nothing was said about ${id}`);
    return message.type === "error" ? { errors: message.payload } : message.payload;
  });
  await socket.say({ type: "complete", id });
  return first;
}

async function inTurn<T>(items: readonly T[], work: (item: T, n: number) => Promise<unknown>): Promise<void> {
  for (const [n, item] of items.entries()) await work(item, n);
}

/** How often a connection to the database is taken from the pool meanwhile. */
async function looksAtTheDatabase(work: () => Promise<void>): Promise<number> {
  const pool = poolOf(app.services.dataSource);
  let looks = 0;
  const count = (): void => void (looks += 1);
  pool.on("acquire", count);
  try {
    await work();
  } finally {
    pool.off("acquire", count);
  }
  return looks;
}
