import { readdir } from "node:fs/promises";
import { createConnection, type Socket } from "node:net";
import path from "node:path";
import { print } from "graphql";
import { UploadDocument } from "../../operations/generated/operations.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { member, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";

const MB = 1024 * 1024;

let app: TestApp;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ limits: { maxAttachmentBytes: MB } });
  maria = await member(app, "maria");
});

afterAll(() => app.close());

// Whatever was sent: the server answers, and on disk is exactly what the database knows.
afterEach(async () => {
  await eventually(async () => {
    const attachments = await sql<{ blob_id: string; stored: boolean }>(app, "select blob_id, stored_at is not null as stored from attachments");
    expect(attachments.filter(({ stored }) => !stored)).toEqual([]);
    expect((await filesOf(app)).toSorted()).toEqual(attachments.map(({ blob_id }) => blob_id).toSorted());
  });
  expect((await fetch(`${app.url}/health/live`)).status).toBe(200);
});

const operations = JSON.stringify({ query: print(UploadDocument), variables: { file: null } });
const field = (name: string, value: string): string => `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const file = (name: string, bytes: string, fileName = "a.txt"): string =>
  `--x\r\nContent-Disposition: form-data; name="${name}"; filename="${fileName}"\r\nContent-Type: text/plain\r\n\r\n${bytes}\r\n`;
const END = "--x--\r\n";
const good = `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${file("0", "A file.")}${END}`;
const mapped = (map: string): string => `${field("operations", operations)}${field("map", map)}${file("0", "A file.")}${END}`;

test.each<[string, string]>([
  ["good", good],
  ["a part without a name", `--x\r\nContent-Disposition: form-data;\r\n\r\nx\r\n${END}`],
  [
    "a part without a name after the map",
    `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}--x\r\nContent-Disposition: form-data;\r\n\r\nx\r\n${END}`,
  ],
  ["a part with broken head", `--x\r\nContent-Disposition\r\n\r\nx\r\n${END}`],
  ["lone after file", `${good.slice(0, -END.length)}--x\r\nContent-Disposition: form-data;\r\n\r\nx\r\n${END}`],
  ["no parts", END],
  ["nothing", ""],
  ["noise", "\0".repeat(1000)],
  ["another boundary", good.replaceAll("--x", "--y")],
  ["no end", good.slice(0, -END.length)],
  ["no end within a file", good.slice(0, -END.length - 4)],
  ["ends after map", `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}`],
  ["ends after map, closed", `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${END}`],
  ["only ops", `${field("operations", operations)}${END}`],
  ["map first", `${field("map", '{"0":["variables.file"]}')}${field("operations", operations)}${file("0", "A file.")}${END}`],
  ["file first", `${file("0", "A file.")}${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${END}`],
  ["ops no JSON", `${field("operations", "{")}${field("map", '{"0":["variables.file"]}')}${file("0", "A file.")}${END}`],
  ["ops null", `${field("operations", "null")}${field("map", '{"0":["variables.file"]}')}${file("0", "A file.")}${END}`],
  ["ops number", `${field("operations", "5")}${field("map", '{"0":["variables.file"]}')}${file("0", "A file.")}${END}`],
  ["ops array", `${field("operations", `[${operations}]`)}${field("map", '{"0":["0.variables.file"]}')}${file("0", "A file.")}${END}`],
  ["map no JSON", mapped("{")],
  ["map null", mapped("null")],
  ["map array", mapped("[]")],
  ["map string", mapped('"x"')],
  ["map empty", mapped("{}")],
  ["map path no array", mapped('{"0":"variables.file"}')],
  ["map path number", mapped('{"0":[5]}')],
  ["map missing", mapped('{"0":["variables.nothing.there"]}')],
  ["map other", mapped('{"0":["query"]}')],
  ["map proto", mapped('{"0":["__proto__.polluted"]}')],
  ["map proto2", mapped('{"0":["variables.__proto__.polluted"]}')],
  ["map proto3", mapped('{"0":["constructor.prototype.polluted"]}')],
  ["map proto4", mapped('{"0":["variables.constructor.prototype.polluted"]}')],
  ["map proto5", mapped('{"__proto__":["variables.file"]}')],
  ["map proto6", mapped('{"0":["variables.file.__proto__.polluted"]}')],
  ["map twice", mapped('{"0":["variables.file","variables.file"]}')],
  ["map many", mapped(JSON.stringify({ 0: Array(3000).fill("variables.file") }))],
  [
    "two files",
    `${field("operations", operations)}${field("map", '{"0":["variables.file"],"1":["variables.x"]}')}${file("0", "A file.")}${file("1", "A file.")}${END}`,
  ],
  ["unmapped file", `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${file("1", "A file.")}${END}`],
  ["extra unmapped file", `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${file("0", "A file.")}${file("1", "Another.")}${END}`],
  ["file twice", `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${file("0", "A file.")}${file("0", "Another.")}${END}`],
  ["10,000 fields", `${Array.from({ length: 10_000 }, (_, n) => field(`f${n}`, "x")).join("")}${good}`],
  [
    "10,000 fields after",
    `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${Array.from({ length: 10_000 }, (_, n) => field(`f${n}`, "x")).join("")}${file("0", "A")}${END}`,
  ],
  [
    "10,000 files",
    `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${Array.from({ length: 10_000 }, (_, n) => file(`f${n}`, "x")).join("")}${END}`,
  ],
  [
    "10,000 files first mapped",
    `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${Array.from({ length: 10_000 }, (_, n) => file(`${n}`, "x")).join("")}${END}`,
  ],
  ["10,000 nameless", `${"--x\r\nContent-Disposition: form-data;\r\n\r\nx\r\n".repeat(10_000)}${END}`],
  [
    "long field",
    `${field("operations", operations.replace("{", `{"x":"${"x".repeat(100_000)}",`))}${field("map", '{"0":["variables.file"]}')}${file("0", "A")}${END}`,
  ],
  [
    "long head",
    `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}--x\r\nContent-Disposition: form-data; name="0"; filename="${"x".repeat(100_000)}"\r\n\r\nA\r\n${END}`,
  ],
  [
    "heads",
    `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}--x\r\nContent-Disposition: form-data; name="0"; filename="a"\r\n${"X: y\r\n".repeat(5000)}\r\nA\r\n${END}`,
  ],
  ["too large by one", `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${file("0", "x".repeat(MB + 1))}${END}`],
  ["far too large", `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${file("0", "x".repeat(MB * 10))}${END}`],
  ["just fits", `${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}${file("0", "x".repeat(MB))}${END}`],
])("%s", async (what, body) => {
  const answer = await send(body);
  process.stdout.write(`${what}: ${JSON.stringify(answer)}\n`);
  expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain("polluted");
});

interface Answered {
  status: number;
  body: string;
}
async function send(body: string, headers: Record<string, string> = {}): Promise<Answered> {
  const socket = open(headers, Buffer.byteLength(body));
  const answer = answerOf(socket);
  socket.write(body);
  return answer;
}
function open(headers: Record<string, string>, length: number): Socket {
  const { hostname, port } = new URL(app.url);
  const socket = createConnection(Number(port), hostname);
  const all = {
    Host: "localhost",
    "Content-Type": "multipart/form-data; boundary=x",
    "Content-Length": String(length),
    Connection: "close",
    Authorization: `Bearer ${maria.client.token ?? ""}`,
    "Apollo-Require-Preflight": "1",
    ...headers,
  };
  socket.write(
    `POST /graphql HTTP/1.1\r\n${Object.entries(all)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")}\r\n`,
  );
  return socket;
}
async function answerOf(socket: Socket): Promise<Answered> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("close", resolve));
  const text = Buffer.concat(chunks).toString();
  const [head = "", ...body] = text.split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), body: body.join("\r\n\r\n").slice(0, 400) };
}
async function filesOf({ dataDir }: TestApp): Promise<string[]> {
  const entries = await readdir(path.join(dataDir, "blobs"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
