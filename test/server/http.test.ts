import { createConnection } from "node:net";
import { text } from "node:stream/consumers";
import { serverAudits } from "graphql-http";
import { print } from "graphql";
import { SignOutDocument } from "../../operations/generated/operations.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { RawSocket } from "../support/raw-socket.ts";

let app: TestApp;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp();
  maria = await member(app, "maria");
});

afterAll(() => app.close());

const JSON_TYPE = { "content-type": "application/json" };
const PREFLIGHT = { "apollo-require-preflight": "1" };

/** What is not refused but differs from what the specification recommends or allows; everything else is as it says. */
const deviations: Record<string, string> = {
  "572B": "warn", // SHOULD answer 200 to a document that does not parse, when JSON is accepted: we answer 400, as the newer media type must
  FDE2: "warn", // the same for one that is not valid
  "7B9B": "warn", // and for variables of a wrong type
};

describe("the audits of the GraphQL-over-HTTP specification", () => {
  const fetchFn = (url: string, init: RequestInit = {}): Promise<Response> => {
    const headers = { ...PREFLIGHT, authorization: `Bearer ${maria.client.token ?? ""}` };
    return fetch(url, { ...init, headers: { ...Object.fromEntries(new Headers(init.headers)), ...headers } });
  };

  test.each(serverAudits({ url: () => `${app.url}/graphql`, fetchFn }))("$id: $name", async ({ id, fn }) => {
    const result = await fn();
    expect({ status: result.status, reason: "reason" in result && deviations[id] === undefined ? result.reason : undefined }).toEqual({
      status: deviations[id] ?? "ok",
    });
  });
});

describe("a request that cannot be read", () => {
  const long = JSON.stringify({ query: "{ __typename }", variables: { text: "x".repeat(5 * 1024 * 1024) } });

  test.each<[what: string, path: string, init: RequestInit, status: number, code: string]>([
    ["an address that is none of ours", "/nowhere", {}, 404, "NOT_FOUND"],
    ["an address that cannot be decoded", "/%zz", {}, 400, "INVALID_INPUT"],
    ["a method we do not serve", "/graphql", { method: "PUT", headers: JSON_TYPE, body: "{}" }, 404, "NOT_FOUND"],
    ["no body", "/graphql", { method: "POST", headers: JSON_TYPE }, 400, "INVALID_INPUT"],
    ["half a body", "/graphql", { method: "POST", headers: JSON_TYPE, body: '{"query":' }, 400, "INVALID_INPUT"],
    [
      "a body that poisons prototypes",
      "/graphql",
      { method: "POST", headers: JSON_TYPE, body: '{"query":"{ __typename }","__proto__":{"x":1}}' },
      400,
      "INVALID_INPUT",
    ],
    ["a body that is null", "/graphql", { method: "POST", headers: JSON_TYPE, body: "null" }, 400, "BAD_REQUEST"],
    ["a body that is a number", "/graphql", { method: "POST", headers: JSON_TYPE, body: "5" }, 400, "BAD_REQUEST"],
    ["a batch", "/graphql", { method: "POST", headers: JSON_TYPE, body: '[{"query":"{ __typename }"},{"query":"{ __typename }"}]' }, 400, "BAD_REQUEST"],
    ["a query that is a number", "/graphql", { method: "POST", headers: JSON_TYPE, body: '{"query":5}' }, 400, "BAD_REQUEST"],
    ["variables that are a text", "/graphql", { method: "POST", headers: JSON_TYPE, body: '{"query":"{ __typename }","variables":"x"}' }, 400, "BAD_REQUEST"],
    ["a document that does not parse", "/graphql", { method: "POST", headers: JSON_TYPE, body: '{"query":"{"}' }, 400, "GRAPHQL_PARSE_FAILED"],
    ["more than fits", "/graphql", { method: "POST", headers: JSON_TYPE, body: long }, 413, "LIMIT_EXCEEDED"],
    ["another content type", "/graphql", { method: "POST", headers: { "content-type": "application/xml" }, body: "<query/>" }, 415, "INVALID_INPUT"],
    [
      "an answer nobody makes",
      "/graphql",
      { method: "POST", headers: { ...JSON_TYPE, accept: "text/html" }, body: '{"query":"{ __typename }"}' },
      406,
      "BAD_REQUEST",
    ],
  ])("is answered in JSON: %s", async (_what, path, init, status, code) => {
    const response = await fetch(`${app.url}${path}`, init);
    expect(response.headers.get("content-type")).toMatch(/^application\/json/);
    expect(await response.json()).toEqual({
      errors: [{ message: expect.stringMatching(/\w/), extensions: { code }, ...(code === "GRAPHQL_PARSE_FAILED" && { locations: expect.anything() }) }],
    });
    expect(response.status).toBe(status);
  });

  test.each([
    ["an unknown method", "FOO / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["an unknown version", "GET / HTTP/9\r\n\r\n"],
    ["noise", "\0\0\0\r\n\r\n"],
    ["a header that is too long", `GET / HTTP/1.1\r\nHost: x\r\nx: ${"x".repeat(20_000)}\r\n\r\n`],
  ])("is answered in JSON even where it is no HTTP: %s", async (_what, bytes) => {
    const answer = await exchange(bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).toMatch(/\r\nContent-Type: application\/json/i);
    expect(answer).not.toContain("node:");
  });
});

describe("another site's page, in the browser of somebody signed in,", () => {
  const mutation = JSON.stringify({ query: print(SignOutDocument) });
  const form = `--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n${mutation}\r\n--x\r\nContent-Disposition: form-data; name="map"\r\n\r\n{}\r\n--x--\r\n`;
  let cookie: string;

  beforeAll(async () => {
    const signedIn = await Client.signIn(app.url, "maria", PASSWORD);
    cookie = `session=${signedIn.token ?? ""}`;
  });

  test.each<[what: string, path: string, init: RequestInit]>([
    [
      "a form",
      "/graphql",
      { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" }, body: `query=${encodeURIComponent(print(SignOutDocument))}` },
    ],
    ["plain text", "/graphql", { method: "POST", headers: { "content-type": "text/plain" }, body: mutation }],
    ["plain text that claims more", "/graphql", { method: "POST", headers: { "content-type": "text/plain; x=application/json" }, body: mutation }],
    ["no content type", "/graphql", { method: "POST", body: new Blob([mutation]) }],
    ["a form with a file", "/graphql", { method: "POST", headers: { "content-type": "multipart/form-data; boundary=x" }, body: form }],
    ["a form with a file in capitals", "/graphql", { method: "POST", headers: { "content-type": "MULTIPART/Form-Data; boundary=x" }, body: form }],
    ["a form of another kind", "/graphql", { method: "POST", headers: { "content-type": "multipart/mixed; boundary=x" }, body: form }],
    ["a link", `/graphql?query=${encodeURIComponent(print(SignOutDocument))}`, {}],
    ["a link that reads", `/graphql?query=${encodeURIComponent("{ viewer { account { userId } } }")}`, {}],
  ])("can do nothing by %s", async (_what, path, init) => {
    const response = await fetch(`${app.url}${path}`, { ...init, headers: { ...init.headers, cookie } });
    expect(await response.text()).not.toContain('"data"');
    expect([400, 415]).toContain(response.status);
    expect(await viewerBy({ cookie })).toBe("maria");
  });

  test("an address with a # in it, which its readers would take apart differently, runs nothing", async () => {
    const socket = createConnection(Number(new URL(app.url).port), "127.0.0.1");
    const query = encodeURIComponent("{ __schema { queryType { name } } }");
    socket.write(`GET /graphql?query=${query}#&query=x HTTP/1.1\r\nHost: localhost\r\nApollo-Require-Preflight: 1\r\nConnection: close\r\n\r\n`);
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).not.toContain("queryType");
  });

  test("cannot ask by a link for a mutation even with our header, while a page of ours can read so, and sign out by JSON", async () => {
    const refused = await fetch(`${app.url}/graphql?query=${encodeURIComponent(print(SignOutDocument))}`, { headers: { cookie, ...PREFLIGHT } });
    expect([refused.status, refused.headers.get("allow")]).toEqual([405, "POST"]);
    const read = await fetch(`${app.url}/graphql?query=${encodeURIComponent("{ viewer { account { userId } } }")}`, { headers: { cookie, ...PREFLIGHT } });
    expect(await read.json()).toMatchObject({ data: { viewer: { account: { userId: "maria" } } } });
    const signedOut = await fetch(`${app.url}/graphql`, { method: "POST", headers: { ...JSON_TYPE, cookie }, body: mutation });
    expect(await signedOut.json()).toMatchObject({ data: { signOut: { signedOutAt: expect.any(String) } } });
    expect(await viewerBy({ cookie })).toBeNull();
  });
});

test("a subscription sent by POST is told where to go", async () => {
  const query = "subscription ($mailboxId: ID!) { mailboxChanged(mailboxId: $mailboxId) { cursor } }";
  expect(await maria.client.send(query, { mailboxId: maria.mailboxId })).toMatchObject({
    status: 400,
    errors: [{ message: expect.stringContaining("WebSocket"), extensions: { code: "INVALID_INPUT" } }],
  });
});

test("a token counts in its header only: never in the address, in the body, or under another name", async () => {
  const token = maria.client.token ?? "";
  const query = "{ viewer { account { userId } } }";
  expect(await viewerBy({ authorization: `Bearer ${token}` })).toBe("maria");
  const others: [name: string, value: string][] = [
    ["authorization", token],
    ["authorization", `Basic ${token}`],
    ["x-authorization", `Bearer ${token}`],
    ["cookie", `token=${token}`],
  ];
  for (const [name, value] of others) expect(await viewerBy({ [name]: value })).toBeNull();
  for (const name of ["token", "access_token", "authorization", "session"]) {
    for (const value of [token, `Bearer ${token}`]) {
      const given = { [name]: value };
      const address = new URLSearchParams({ ...given, query });
      const byAddress = await fetch(`${app.url}/graphql?${address.toString()}`, { headers: PREFLIGHT });
      expect(await byAddress.json()).toMatchObject({ data: { viewer: null } });
      const byBody = await fetch(`${app.url}/graphql`, {
        method: "POST",
        headers: JSON_TYPE,
        body: JSON.stringify({ ...given, query, variables: given, extensions: given }),
      });
      expect(await byBody.json()).toMatchObject({ data: { viewer: null } });
      expect((await fetch(`${app.url}/attachments/x?${new URLSearchParams(given).toString()}`)).status).toBe(401);
    }
  }
  const socket = await RawSocket.open(app.url);
  await socket.say({ type: "connection_init", payload: { token, access_token: token, authorization: token } });
  expect(await socket.closed).toBe(4403);
});

test("every answer has a number and says neither what made it nor that it may be kept, shown in a frame or taken for something else", async () => {
  for (const path of ["/graphql", "/nowhere", "/attachments/x", "/health/live"]) {
    const { headers } = await fetch(`${app.url}${path}`);
    expect(headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect([headers.get("server"), headers.get("x-powered-by")]).toEqual([null, null]);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
  }
  for (const path of ["/graphql", "/health/live", "/health/ready"]) expect((await fetch(`${app.url}${path}`)).headers.get("cache-control")).toBe("no-store");
});

/** The user ID that the server sees behind these headers; null for nobody. */
async function viewerBy(headers: Record<string, string>): Promise<string | null> {
  const body = JSON.stringify({ query: "{ viewer { account { userId } } }" });
  const response = await fetch(`${app.url}/graphql`, { method: "POST", headers: { ...JSON_TYPE, ...headers }, body });
  const { data }: { data: { viewer: { account: { userId: string } } | null } } = JSON.parse(await response.text());
  return data.viewer?.account.userId ?? null;
}

/** Sends bytes as they are and returns all that comes back until the server closes. */
async function exchange(bytes: string): Promise<string> {
  const { hostname, port } = new URL(app.url);
  const connection = createConnection(Number(port), hostname);
  const answer: Buffer[] = [];
  connection.on("data", (chunk: Buffer) => answer.push(chunk));
  connection.on("error", () => undefined); // a reset: the server need not have read all before it closed
  connection.end(bytes, "latin1");
  await new Promise((resolve) => connection.once("close", resolve));
  return Buffer.concat(answer).toString("latin1");
}
