import { randomBytes } from "node:crypto";
import { print } from "graphql";
import { InboxDocument, SaveDraftDocument, SignInDocument, UploadDocument } from "../../operations/generated/operations.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { deliver, forwardMessage, messagesOf, openMessage, replyToMessage, sendMessage } from "../support/mail.ts";
import { employee, member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { RawSocket } from "../support/raw-socket.ts";
import { sql } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { logLevel: "trace" } });
  [erin, maria] = await Promise.all([employee(app, "erin"), member(app, "maria")]);
});

afterAll(() => app.close());

describe("no name of the schema is given away", () => {
  const input = "mailboxId: 1, to: [], body: {}, idempotencyKey: 1";

  test.each<[what: string, query: string, variables: object]>([
    ["a field", "{ viewer { accoun { id } } }", {}],
    ["a root field", "{ viewr { account { id } } }", {}],
    ["an argument", '{ node(idd: "x") { id } }', {}],
    ["a type", "{ viewer { ... on Viewr { account { id } } } }", {}],
    ["a fragment", "{ viewer { ...Row } } fragment Rows on Viewer { account { id } }", {}],
    ["a fragment that needs another type", '{ node(id: "x") { subject } }', {}],
    ["a directive", "{ viewer @inclde(if: true) { account { id } } }", {}],
    ["an enum value", '{ mailbox(id: "x") { messages(folder: INBX) { pageInfo { hasNextPage } } } }', {}],
    ["an input field", `mutation { sendMessage(input: { ${input}, subjct: "x" }) { __typename } }`, {}],
    ["a type of a variable", "query ($filter: MessageFiltr) { viewer { account { id } } }", {}],
    [
      "an input field in a variable",
      "mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }",
      { input: { userId: "x", password: "x", pasword: "x" } },
    ],
    [
      "an enum value in a variable",
      'query ($folder: Folder!) { mailbox(id: "x") { messages(folder: $folder) { pageInfo { hasNextPage } } } }',
      { folder: "INBX" },
    ],
  ])("by a typing error in %s", async (_what, query, variables) => {
    const answer = await maria.client.send(query, variables);
    expect(answer.errors).not.toHaveLength(0);
    expect(JSON.stringify(answer)).not.toContain("Did you mean");

    const socket = await openSocket(maria);
    await socket.subscribe("1", query.replace(/^(query|mutation)?/, "subscription"), variables);
    await eventually(() => expect(socket.about("1")).not.toEqual([]));
    expect(socket.about("1")).toMatchObject([{ type: "error" }]);
    expect(JSON.stringify(socket.heard)).not.toContain("Did you mean");
    await socket.close();
  });
});

describe("what somebody confides", () => {
  /** Where each word was planted that stands nowhere else. */
  const planted = new Map<string, string>();

  test("never reaches the log: no password, word, name, address, file or search, right or wrong, in whatever encoding", async () => {
    const { client } = maria;
    const token = client.token ?? "";
    planted.set(token, "the session's token");
    planted.set(PASSWORD, "the password");
    const nobody = new Client(app.url);
    const post = (body: string, headers: Record<string, string> = {}, path = "/graphql"): Promise<Response> =>
      fetch(`${app.url}${path}`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${token}`, ...headers }, body });
    const signIn = print(SignInDocument);
    const send = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }";

    // As it should be
    await nobody.run(SignInDocument, { input: { userId: plant("an unknown user ID"), password: plant("its password") } });
    await nobody.run(SignInDocument, { input: { userId: "maria", password: plant("a wrong password") } });
    const attachment = await client.uploaded(`${plant("a file's name")}.txt`, plant("a file"));
    const letter = { subject: plant("a subject"), text: plant("a text"), html: `<p>${plant("an HTML text")}</p>`, idempotencyKey: plant("an idempotency key") };
    await sendMessage(maria, { ...letter, to: [erin.address], attachmentIds: [attachment] });
    await sendMessage(maria, { ...letter, to: [erin.address] });
    const { id } = await deliver(erin, maria, { subject: plant("a subject to a member"), text: plant("a text to a member") });
    await openMessage(maria, id);
    await replyToMessage(maria, id, { text: plant("a reply") });
    await forwardMessage(maria, id, { to: [erin.address], text: plant("a note on a forward") });
    await forwardMessage(maria, id, { to: [`${plant("an outside address")}@elsewhere.example`, `"${plant("a name")}" <x@elsewhere.example>`] });
    await sendMessage(maria, { to: [plant("no address"), `${plant("half an address")}@`], cc: [`${plant("a copy's address")}@insurer.example`] });
    await messagesOf(maria, { filter: { from: `${plant("a search")}@elsewhere.example` } });
    await client.send(print(SaveDraftDocument), {
      input: { mailboxId: maria.mailboxId, to: [plant("a draft's address")], subject: plant("a draft's subject"), body: { text: plant("a draft's text") } },
    });

    // Of a wrong form
    const wrong = (where: string): unknown[] => [
      plant(`${where} as a text`),
      [plant(`${where} as a list`)],
      { x: plant(`${where} as an object`) },
      { [plant(`${where} as a key`)]: 1 },
    ];
    for (const value of wrong("a password")) await nobody.send(signIn, { input: { userId: "maria", password: value } });
    for (const value of wrong("credentials")) await nobody.send(signIn, { input: value });
    for (const value of wrong("a message")) await client.send(send, { input: value });
    for (const value of wrong("a body")) await client.send(send, { input: { mailboxId: maria.mailboxId, to: [], body: value, idempotencyKey: "x" } });
    for (const value of wrong("an id")) await client.send("query ($id: ID!) { node(id: $id) { id } }", { id: value });
    for (const value of wrong("a cursor")) await client.send(print(InboxDocument), { mailboxId: maria.mailboxId, first: 1, after: value });
    for (const value of wrong("a filter")) await client.send(print(InboxDocument), { mailboxId: maria.mailboxId, first: 1, filter: value });
    for (const value of wrong("a time")) await client.send(print(InboxDocument), { mailboxId: maria.mailboxId, first: 1, filter: { since: value } });
    for (const value of wrong("a priority")) await client.send(print(InboxDocument), { mailboxId: maria.mailboxId, first: 1, filter: { priority: [value] } });
    await client.send(`{ node(id: "${plant("a literal")}") { id } }`);
    await client.send(`{ ${plant("a field")} }`);
    await client.send(`{ ${plant("an alias")}: viewer { account { id } } } # ${plant("a comment")}`);
    await client.send(`{ viewer { account { id } } } "${plant("a syntax error")}"`);
    await client.send(`mutation { signIn(input: { userId: "${plant("a literal user ID")}", password: 5 }) { __typename } }`);
    await post(JSON.stringify({ query: "{ viewer { account { id } } }", operationName: plant("an operation name"), extensions: { x: plant("an extension") } }));
    await post(`{"query":"${plant("half a body")}`);
    await post(plant("a body that is no JSON"));
    await post(plant("a body of another type"), { "content-type": "text/plain" });
    await post(plant("a body of an unknown type"), { "content-type": `application/x-${plant("a content type")}` });

    // In addresses and headers
    const headers = { "user-agent": plant("a user agent"), referer: `https://x.example/${plant("a referer")}`, "x-request-id": plant("a request id") };
    await post(JSON.stringify({ query: signIn, variables: { input: { userId: "maria", password: PASSWORD } } }), headers);
    await post("{}", { authorization: `Bearer ${plant("a bogus token")}` });
    await post("{}", { authorization: "", cookie: `session=${plant("a bogus cookie")}` });
    await fetch(`${app.url}/graphql?query=${encodeURIComponent(`{ ${plant("an address's query")} }`)}`, { headers: { "apollo-require-preflight": "1" } });
    for (const path of ["/", "/attachments/", "/playground/", "/health/", "/%zz"])
      await client.download(`${path}${plant(`an address below ${path}`)}?x=${plant("what follows")}`);
    await fetch(app.url, { headers: { origin: `https://${plant("an origin")}.example` } });

    // In forms
    const form = (operations: string, map: string, name: string, file: string): string =>
      [`--x`, 'Content-Disposition: form-data; name="operations"', "", operations, "--x", 'Content-Disposition: form-data; name="map"', "", map]
        .concat(["--x", `Content-Disposition: form-data; name="0"; filename="${name}"`, `Content-Type: text/${plant("a part's type")}`, "", file, "--x--", ""])
        .join("\r\n");
    const upload = { "content-type": "multipart/form-data; boundary=x", "apollo-require-preflight": "1" };
    const operations = JSON.stringify({ query: print(UploadDocument), variables: { file: null } });
    const map = '{"0":["variables.file"]}';
    await post(form(operations, map, `../${plant("a path")}/\u0001`, plant("a form's file")), upload);
    await post(form(plant("operations"), map, "a", "x"), upload);
    await post(form(operations, plant("a map"), "a", "x"), upload);
    await post(form(operations, `{"0":["${plant("a place")}.x"]}`, "a", "x"), upload);
    await post(`--x\r\n${plant("a broken part")}\r\n\r\n${plant("its content")}`, upload);
    await post(form(operations, map, plant("the name of a file that breaks off"), plant("a file that breaks off")).slice(0, -8), upload);
    await post(form(operations, map, "a", "x"), { ...upload, "content-type": `multipart/form-data; ${plant("a boundary")}` });

    // Over the WebSocket
    for (const payload of [{ authorization: `Bearer ${plant("a socket's bogus token")}` }, { [plant("a socket's parameter")]: plant("its value") }]) {
      const socket = await RawSocket.open(app.url, { headers: { cookie: `session=${plant("a socket's cookie")}` } });
      await socket.say({ type: "connection_init", payload });
      expect(await socket.closed).toBe(4403);
    }
    const socket = await openSocket(maria);
    await socket.subscribe("1", "subscription ($id: ID!) { messageReceived(mailboxId: $id) { id } }", { id: plant("a socket's id") });
    await socket.subscribe("2", "subscription ($id: ID!) { messageReceived(mailboxId: $id) { id } }", { id: [plant("a socket's wrong id")] });
    await socket.subscribe("3", `subscription { ${plant("a socket's field")} }`);
    await socket.subscribe("4", `"${plant("a socket's syntax error")}"`);
    await eventually(() => expect(new Set(socket.heard.flatMap(({ id: about }) => about ?? [])).size).toBe(4));
    await socket.say({ type: plant("a socket's message") });
    expect(await socket.closed).toBe(4400);

    // Where something of ours is broken
    await sql(app, "alter table drafts rename to mislaid");
    await sql(app, "alter table idempotency_keys add constraint broken check (length(key) < 5) not valid");
    try {
      await client.send(print(SaveDraftDocument), {
        input: { mailboxId: maria.mailboxId, subject: plant("a subject that meets a bug"), body: { text: plant("a text that meets a bug") } },
      });
      await client.send(send, {
        input: {
          mailboxId: maria.mailboxId,
          to: [erin.address],
          body: { text: plant("a text that meets a broken table") },
          idempotencyKey: plant("a key that meets a broken table"),
        },
      });
    } finally {
      await sql(app, "alter table mislaid rename to drafts");
      await sql(app, "alter table idempotency_keys drop constraint broken");
    }

    expect(app.logged.filter((line) => line.includes('"a request failed unexpectedly"')).length).toBeGreaterThanOrEqual(2);
    expect(app.logged.filter((line) => line.includes('"request"')).length).toBeGreaterThan(60);
    expect(leaks(app.logged)).toEqual([]);
  });

  test("would be found there, as it is or encoded", () => {
    const word = "ConfidedForThisTest";
    planted.clear();
    planted.set(word, "here");
    const encoded = [
      `?${word}!`,
      Buffer.from(`?${word}!`).toString("base64"),
      Buffer.from(`??${word}`).toString("base64url"),
      Buffer.from(word).toString("hex"),
      encodeURIComponent(`ä${word}`),
    ];
    for (const text of encoded) expect(leaks([text])).not.toEqual([]);
    expect(leaks(["ConfidedForAnother"])).toEqual([]);
  });

  function plant(where: string): string {
    const word = `Confided${randomBytes(9).toString("hex")}`;
    planted.set(word, where);
    return word;
  }

  /** Where the words were planted that these lines hold, and in which form they do. */
  function leaks(lines: readonly string[]): string[] {
    const log = lines.join("");
    return [...planted].flatMap(([word, where]) => formsOf(word).flatMap(([form, text]) => (log.includes(text) ? [`${where}, ${form}`] : [])));
  }
});

describe("a bug", () => {
  test("is told to nobody but the log, which has its class and place under the number that the client gets", async () => {
    const { id } = await deliver(erin, maria);
    const attachment = await maria.client.uploaded("a.txt", "A file.");
    const socket = await openSocket(maria);
    await sql(app, "alter table events rename to mislaid_events");
    await sql(app, "alter table attachments rename to mislaid_attachments");
    try {
      const query = "query ($id: ID!) { message(id: $id) { id body { text } } }";
      const body = JSON.stringify({ query, variables: { id } });
      const headers = { "content-type": "application/json", authorization: `Bearer ${maria.client.token ?? ""}` };
      const queried = await fetch(`${app.url}/graphql`, { method: "POST", headers, body });
      expect(await masked(queried.json(), queried.headers.get("x-request-id"))).toMatchObject({ data: { message: null } });

      const flagged = await maria.client.send("mutation ($id: ID!) { flag(input: { messageIds: [$id] }) { __typename } }", { id });
      expect(await masked(flagged)).toMatchObject({ data: null });

      const downloaded = await maria.client.download(`/attachments/${attachment}`);
      expect(downloaded.status).toBe(500);
      await masked(downloaded.json(), downloaded.headers.get("x-request-id"));

      const after = Buffer.from("feed 0").toString("base64url");
      await socket.subscribe("1", "subscription ($id: ID!, $after: String) { mailboxChanged(mailboxId: $id, after: $after) { cursor } }", {
        id: maria.mailboxId,
        after,
      });
      await eventually(() => expect(socket.about("1")).not.toEqual([]));
      const [event] = socket.about("1");
      await masked(event?.type === "error" ? { errors: event.payload } : event?.payload);
    } finally {
      await sql(app, "alter table mislaid_events rename to events");
      await sql(app, "alter table mislaid_attachments rename to attachments");
      await socket.close();
    }
    expect(await maria.client.send("query ($id: ID!) { message(id: $id) { body { text } } }", { id })).toMatchObject({
      status: 200,
      data: { message: { body: {} } },
    });
  });

  test("is told so even where it strikes before the request is looked at", async () => {
    const unknown = new Client(app.url, "A".repeat(43));
    await sql(app, "alter table sessions rename to mislaid_sessions");
    try {
      expect(await masked(unknown.send("{ viewer { account { id } } }"))).toMatchObject({ status: 500 });
      expect(await masked((await unknown.download("/attachments/x")).json())).not.toHaveProperty("data");
      const socket = await RawSocket.open(app.url);
      await socket.say({ type: "connection_init", payload: { authorization: `Bearer ${unknown.token ?? ""}` } });
      expect(await socket.closed).toBe(4500);
    } finally {
      await sql(app, "alter table mislaid_sessions rename to sessions");
    }
    expect(app.logged).toContainEqual(expect.stringMatching(/"level":50.*"code":"42P01".*"a socket could not be authenticated"/));
    expect(await unknown.send("{ viewer { account { id } } }")).toMatchObject({ status: 200, data: { viewer: null } });
  });

  /** Expects that an answer tells nothing but a number, and that the log tells under it what PostgreSQL objected to. */
  async function masked(answer: unknown, header?: string | null): Promise<unknown> {
    const told = await answer;
    expect(told).toMatchObject({
      errors: [
        {
          message: "Something went wrong on our side. The request id tells us what.",
          extensions: { code: "INTERNAL", requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
        },
      ],
    });
    expect(JSON.stringify(told)).not.toMatch(/relation|mislaid|42P01|stack|node_modules|\.ts/);
    const [requestId = ""] = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(JSON.stringify(told)) ?? [];
    if (header !== undefined) expect(header).toBe(requestId);
    const lines = await eventually(() => {
      const found = app.logged.filter((line) => line.includes(requestId) && line.includes('"level":50'));
      expect(found).not.toEqual([]);
      return found.map((line): unknown => JSON.parse(line));
    });
    expect(lines).toMatchObject([{ err: { code: "42P01", stack: expect.arrayContaining([expect.stringContaining("/src/")]) }, msg: expect.any(String) }]);
    expect(JSON.stringify(lines)).not.toMatch(/relation|does not exist|select|insert/i);
    return told;
  }
});

/** What a word becomes within a longer text, in the encodings that logs and libraries use. */
function formsOf(word: string): [form: string, text: string][] {
  const base64 = [0, 1, 2].map((before): [string, string] => {
    const [first, end] = [Math.ceil((before * 8) / 6), Math.floor(((before + word.length) * 8) / 6)];
    return [
      "base64",
      Buffer.from("?".repeat(before) + word)
        .toString("base64")
        .slice(first, end),
    ];
  });
  return [["plain", word], ["URL", encodeURIComponent(word)], ["hex", Buffer.from(word).toString("hex")], ...base64];
}

async function openSocket(person: SignedInPerson): Promise<RawSocket> {
  const socket = await RawSocket.open(app.url);
  await socket.say({ type: "connection_init", payload: { authorization: `Bearer ${person.client.token ?? ""}` } });
  await eventually(() => expect(socket.heard).toEqual([{ type: "connection_ack" }]));
  return socket;
}
