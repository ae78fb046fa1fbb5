import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { createConnection, type Socket } from "node:net";
import path from "node:path";
import { print } from "graphql";
import { UploadDocument } from "../../operations/generated/operations.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { usedMemory } from "../support/memory.ts";
import { member, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";

const MB = 1024 * 1024;

let app: TestApp;
let impatient: TestApp;
let roomy: TestApp;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ limits: { maxAttachmentBytes: MB } });
  impatient = await startTestApp({ beside: app, limits: { requestSeconds: 2, idleSeconds: 0.5 } });
  roomy = await startTestApp({ beside: app, limits: { maxAttachmentBytes: 64 * MB } });
  maria = await member(app, "maria");
});

afterAll(async () => {
  await roomy.close();
  await impatient.close();
  await app.close();
});

// Whatever was sent: the server answers, no upload is under way, and on disk is exactly what the database knows.
afterEach(async () => {
  await eventually(async () => {
    const attachments = await sql<{ blob_id: string; stored: boolean }>(app, "select blob_id, stored_at is not null as stored from attachments");
    expect(attachments.filter(({ stored }) => !stored)).toEqual([]);
    const entries = await readdir(path.join(app.dataDir, "blobs"), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    expect(files.toSorted()).toEqual(attachments.map(({ blob_id }) => blob_id).toSorted());
  });
  expect((await fetch(`${app.url}/health/live`)).status).toBe(200);
});

const operations = JSON.stringify({ query: print(UploadDocument), variables: { file: null } });
const NAMELESS = "--x\r\nContent-Disposition: form-data;\r\n\r\nx\r\n";
const END = "--x--\r\n";
const field = (name: string, value: string): string => `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const file = (name: string, bytes: string, headers = ""): string =>
  `--x\r\nContent-Disposition: form-data; name="${name}"; filename="a.txt"\r\n${headers}Content-Type: text/plain\r\n\r\n${bytes}\r\n`;
const map = field("map", '{"0":["variables.file"]}');
const start = field("operations", operations) + map;
const good = `${start}${file("0", "A file.")}${END}`;
const mapped = (paths: unknown): string => `${field("operations", operations)}${field("map", JSON.stringify(paths))}${file("0", "A file.")}${END}`;
const times = (n: number, part: (n: number) => string): string => Array.from({ length: n }, (_, k) => part(k)).join("");

const TAKEN = { status: 200, answer: { data: { uploadAttachment: { attachment: { fileName: "a.txt", mediaType: "text/plain" } } } } };
const refused = (code: string, status = 400): object => ({ status, answer: { errors: [{ message: expect.any(String), extensions: { code } }] } });
const problem = (code: string, limit: number | null = null): object => ({ status: 200, answer: { data: { uploadAttachment: { code, limit } } } });

describe("a form", () => {
  test.each<[what: string, body: string, outcome: object]>([
    ["as it should be", good, TAKEN],
    ["with a file of just the greatest size", `${start}${file("0", "x".repeat(MB))}${END}`, TAKEN],
    ["with one byte more", `${start}${file("0", "x".repeat(MB + 1))}${END}`, problem("LIMIT_EXCEEDED", MB)],
    ["with ten times as much", `${start}${file("0", "x".repeat(10 * MB))}${END}`, problem("LIMIT_EXCEEDED", MB)],

    ["that is empty", "", refused("INVALID_INPUT")],
    ["of noise", "\0".repeat(1000), refused("INVALID_INPUT")],
    ["of no parts", END, refused("INVALID_INPUT")],
    ["with another boundary than it says", good.replaceAll("--x", "--y"), refused("INVALID_INPUT")],
    ["that begins with a part without a name", `${NAMELESS}${END}`, refused("INVALID_INPUT")],
    ["of ten thousand parts without a name", `${NAMELESS.repeat(10_000)}${END}`, refused("INVALID_INPUT")],
    ["with a part without a name in the place of the file", `${start}${NAMELESS}${END}`, problem("INVALID_INPUT")],
    ["with a part without a name after the file", `${start}${file("0", "A file.")}${NAMELESS}${END}`, TAKEN],
    ["with a part whose head breaks off", `--x\r\nContent-Disposition\r\n\r\nx\r\n${END}`, refused("INVALID_INPUT")],
    ["with a part whose head holds a control character", `--x\r\nX: \x01\r\n\r\nx\r\n${END}`, refused("INVALID_INPUT")],
    ["with a broken head after its map", `${start}--x\r\nA b: c\r\n\r\nx\r\n${END}`, problem("INVALID_INPUT")],
    ["with a broken head after its file", `${start}${file("0", "A file.")}--x\r\nA b: c\r\n\r\nx\r\n`, problem("INVALID_INPUT")],
    ["with a part whose head has no end", `${start}${file("0", "A file.", "X: y\r\n".repeat(50_000))}${END}`, problem("INVALID_INPUT")],

    ["that ends before its file", `${start}`, refused("INVALID_INPUT")],
    ["that ends properly without its file", `${start}${END}`, problem("INVALID_INPUT")],
    ["that ends within its file", good.slice(0, -END.length - 4), problem("INVALID_INPUT")],
    ["that ends without its end", good.slice(0, -END.length), problem("INVALID_INPUT")],

    ["with no map", `${field("operations", operations)}${file("0", "A file.")}${END}`, refused("INVALID_INPUT")],
    ["with the map before the operations", `${map}${field("operations", operations)}${file("0", "A file.")}${END}`, refused("INVALID_INPUT")],
    ["with the file before both", `${file("0", "A file.")}${start}${END}`, refused("INVALID_INPUT")],
    ["with operations that are no JSON", `${field("operations", "{")}${map}${END}`, refused("INVALID_INPUT")],
    ["with operations that are null", `${field("operations", "null")}${map}${END}`, refused("INVALID_INPUT")],
    ["with a batch of operations", `${field("operations", `[${operations}]`)}${field("map", "{}")}${END}`, refused("BAD_REQUEST")],
    ["with operations of 100 KB", `${field("operations", JSON.stringify({ x: "x".repeat(100_000) }))}${END}`, refused("LIMIT_EXCEEDED", 413)],
    ["with a map that is no JSON", `${field("operations", operations)}${field("map", "{")}${END}`, refused("INVALID_INPUT")],
    ["with a map that is null", mapped(null), refused("INVALID_INPUT")],
    ["with a map that is a list", mapped([]), refused("INVALID_INPUT")],
    ["with a map of a text", mapped({ 0: "variables.file" }), refused("INVALID_INPUT")],
    ["with a map of numbers", mapped({ 0: [5] }), refused("INVALID_INPUT")],
    ["with a map to nowhere", mapped({ 0: ["variables.nothing.there"] }), refused("INVALID_INPUT")],
    ["with a map to the query", mapped({ 0: ["query"] }), refused("BAD_REQUEST")],
    ["with a map of two files", mapped({ 0: ["variables.file"], 1: ["variables.other"] }), refused("LIMIT_EXCEEDED", 413)],
    ["with a map that says the same thousands of times", mapped({ 0: Array.from({ length: 3000 }, () => "variables.file") }), TAKEN],
    ["with a file that is not on the map", `${start}${file("1", "A file.")}${END}`, problem("INVALID_INPUT")],
    ["with a second file", `${start}${file("0", "A file.")}${file("1", "Another.")}${END}`, problem("INVALID_INPUT")],
    ["with a second file after a long one", `${start}${file("0", "x".repeat(MB / 2))}${file("1", "Another.")}${END}`, problem("INVALID_INPUT")],
    ["with its file twice", `${start}${file("0", "A file.")}${file("0", "Another.")}${END}`, problem("INVALID_INPUT")],
    ["of ten thousand files", `${start}${times(10_000, (n) => file(`${n}`, "x"))}${END}`, problem("INVALID_INPUT")],
    ["of ten thousand files that are not on the map", `${start}${times(10_000, (n) => file(`f${n}`, "x"))}${END}`, problem("INVALID_INPUT")],
    ["of ten thousand fields", `${times(10_000, (n) => field(`f${n}`, "x"))}${good}`, refused("INVALID_INPUT")],
    ["of ten thousand fields before its file", `${start}${times(10_000, (n) => field(`f${n}`, "x"))}${file("0", "A file.")}${END}`, TAKEN],
  ])("%s", async (_what, body, outcome) => {
    const began = performance.now();
    expect(await send(body)).toMatchObject(outcome);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  test.each([
    "__proto__.polluted",
    "variables.__proto__.polluted",
    "constructor.prototype.polluted",
    "variables.constructor.prototype.polluted",
    "variables.file.__proto__.polluted",
    "__proto__",
  ])("cannot reach beyond its operations by a map to %s", async (place) => {
    expect(await send(mapped({ 0: [place] }))).toMatchObject(refused("INVALID_INPUT"));
    expect(await send(`${field("operations", operations)}${field("map", `{"__proto__":["${place}"]}`)}${file("0", "A file.")}${END}`)).toMatchObject(
      refused("INVALID_INPUT"),
    );
    expect(Reflect.get({}, "polluted")).toBeUndefined();
    expect(await send(good)).toMatchObject(TAKEN);
  });

  test.each<[what: string, headers: Record<string, string>, outcome: object]>([
    ["from nobody", { Authorization: "" }, refused("UNAUTHENTICATED", 401)],
    ["with a bogus token", { Authorization: `Bearer ${"A".repeat(43)}` }, refused("UNAUTHENTICATED", 401)],
    ["without the preflight header", { "Apollo-Require-Preflight": "" }, refused("INVALID_INPUT")],
    ["that names no boundary", { "Content-Type": "multipart/form-data" }, refused("INVALID_INPUT")],
    ["that names an empty boundary", { "Content-Type": "multipart/form-data; boundary=" }, refused("INVALID_INPUT")],
    ["that is no form", { "Content-Type": "multipart/mixed; boundary=x" }, refused("INVALID_INPUT", 415)],
    ["with all as it should be", {}, TAKEN],
  ])("%s", async (_what, headers, outcome) => {
    expect(await send(good, headers)).toMatchObject(outcome);
    const hostile = await send(NAMELESS + END, headers);
    expect([400, 401, 415]).toContain(hostile.status);
  });
});

describe("an upload that", () => {
  const half = start + file("0", "x".repeat(100_000)).slice(0, -50_000);

  test("is given up half-way leaves nothing behind", async () => {
    for (const bytes of ["", start.slice(0, 100), start, half]) {
      const socket = open(app, 200_000);
      socket.write(bytes);
      if (bytes === half) await eventually(async () => expect(await uploadsUnderWay()).toBe(1));
      socket.resetAndDestroy();
    }
  });

  test("is given up politely half-way leaves nothing behind", async () => {
    const socket = open(app, 200_000);
    socket.end(half);
    await answerOf(socket);
  });

  test("stops half-way is cut off", async () => {
    const socket = open(impatient, 200_000);
    const answer = answerOf(socket);
    socket.write(half);
    await eventually(async () => expect(await uploadsUnderWay()).toBe(1));
    expect((await answer).status).not.toBe(200);
  });

  test("comes a byte at a time is cut off, too", async () => {
    const socket = open(impatient, 200_000);
    const answer = answerOf(socket);
    socket.write(half);
    const trickle = setInterval(() => socket.write("x"), 100);
    try {
      await eventually(async () => expect(await uploadsUnderWay()).toBe(1));
      expect((await answer).status).not.toBe(200);
    } finally {
      clearInterval(trickle);
    }
  });

  test("is large goes through without being held in memory, beside others", async () => {
    const size = 64 * MB;
    const chunk = Buffer.alloc(256 * 1024, "x");
    const tail = Buffer.from(`\r\n${END}`);
    const head = Buffer.from(start + file("0", "").slice(0, -2));
    const before = usedMemory();
    let most = 0;
    const socket = open(roomy, head.length + size + tail.length);
    const answer = answerOf(socket);
    socket.write(head);
    for (let sent = 0; sent < size; sent += chunk.length) {
      if (!socket.write(chunk)) await once(socket, "drain");
      if (sent % (8 * MB) === 0) most = Math.max(most, usedMemory());
      if (sent === size / 2) expect(await send(good)).toMatchObject(TAKEN);
    }
    socket.write(tail);
    expect(await answer).toMatchObject({ status: 200, answer: { data: { uploadAttachment: { attachment: { size } } } } });
    expect(most - before).toBeLessThan(32 * MB);
  });
});

/** An answer as it came: its status, and its body read as JSON; nothing where the server only closed. */
interface Answered {
  readonly status: number | null;
  readonly answer: unknown;
}

/** Posts a body as it is. */
function send(body: string, headers: Record<string, string> = {}): Promise<Answered> {
  const socket = open(app, Buffer.byteLength(body), headers);
  socket.write(body);
  return answerOf(socket);
}

/** Begins to post so many bytes; headers of no value are left out. */
function open({ url }: TestApp, length: number, headers: Record<string, string> = {}): Socket {
  const { hostname, port } = new URL(url);
  const socket = createConnection(Number(port), hostname);
  const all = {
    Host: hostname,
    "Content-Type": "multipart/form-data; boundary=x",
    "Content-Length": `${length}`,
    Connection: "close",
    Authorization: `Bearer ${maria.client.token ?? ""}`,
    "Apollo-Require-Preflight": "1",
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === "" ? [] : `${name}: ${value}\r\n`));
  socket.write(`POST /graphql HTTP/1.1\r\n${lines.join("")}\r\n`);
  return socket;
}

async function answerOf(socket: Socket): Promise<Answered> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined); // a reset: the server need not have read all before it closed
  await new Promise((resolve) => socket.once("close", resolve));
  const [head = "", body = ""] = Buffer.concat(chunks).toString().split("\r\n\r\n", 2);
  const status = /^HTTP\/1\.1 (\d+)/.exec(head)?.[1];
  return { status: status === undefined ? null : Number(status), answer: body === "" ? null : JSON.parse(body) };
}

async function uploadsUnderWay(): Promise<number> {
  const [row] = await sql<{ n: number }>(app, "select count(*)::int as n from attachments where stored_at is null");
  return row?.n ?? 0;
}
