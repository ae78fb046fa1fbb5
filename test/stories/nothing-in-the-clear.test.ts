import { randomUUID } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { deflateRawSync, gzipSync } from "node:zlib";
import { SaveDraftDocument } from "../../operations/generated/operations.ts";
import { MailboxKind } from "../../src/mailboxes/mailbox.ts";
import { openMailbox } from "../../src/mailboxes/open-mailbox.ts";
import { after, DAY } from "../../src/clock.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { requestExport } from "../support/exports.ts";
import { forwardMessage, messagesOf, newestOf, openMessage, replyToMessage, sendMessage, sent } from "../support/mail.ts";
import { employee, member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";

/** Each stands for one kind of confidential thing; long enough to occur nowhere by chance. */
const secrets = {
  subject: "Oncology referral zebrafish",
  text: "The biopsy shows quokkas",
  html: "markup says marmoset",
  preview: "The biopsy",
  fileName: "laboratory-axolotl",
  fileWords: "Haemoglobin narwhal 9.1",
  reply: "My answer mentions capybara",
  note: "forwarding note pangolin",
  draftSubject: "Half a subject okapi",
  draftText: "unsent thoughts on ocelots",
  draftAddress: "tarsier@elsewhere.example",
  holdNote: "keep for the case of the manatee",
  name: "Wilhelmina Wombat",
  teamName: "Department of Dugongs",
  password: PASSWORD,
} as const;

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { logLevel: "trace" } });
  erin = await employee(app, "erin");
  maria = await member(app, "maria");
  await openMailbox(app.ctx(), { address: erin.address, kind: MailboxKind.PERSON, displayName: secrets.name });
  await openMailbox(app.ctx(), { address: "dugongs@insurer.example", kind: MailboxKind.TEAM, displayName: secrets.teamName });
});

afterAll(() => app.close());

/** Everything a busy day does with what is secret, mistakes and refusals included. */
async function busyStory(): Promise<void> {
  const file = await erin.client.uploaded(`${secrets.fileName}.txt`, `${secrets.fileWords}\n`.repeat(5000));
  sent(
    await sendMessage(erin, {
      to: [maria.address, "somebody@new.example"],
      subject: secrets.subject,
      text: secrets.text,
      html: `<p>${secrets.html}</p>`,
      attachmentIds: [file],
    }),
  );
  const received = await newestOf(maria);
  const opened = await openMessage(maria, received.id);
  expect(opened).toMatchObject({ subject: secrets.subject, from: { displayName: secrets.name }, body: { text: secrets.text } });
  const [attachment] = opened.attachments;
  expect(attachment?.fileName).toContain(secrets.fileName);
  const downloaded = await maria.client.download(attachment?.downloadUrl ?? "", { range: "bytes=0-100" });
  expect(await downloaded.text()).toContain(secrets.fileWords);
  sent(await replyToMessage(maria, received.id, { text: secrets.reply }));
  sent(await forwardMessage(maria, received.id, { to: [erin.address], text: secrets.note }));
  await forwardMessage(maria, received.id, { to: [secrets.draftAddress], text: secrets.note }); // Refused, and recorded
  const { saveDraft } = await maria.client.run(SaveDraftDocument, {
    input: { mailboxId: maria.mailboxId, to: [secrets.draftAddress], subject: secrets.draftSubject, body: { text: secrets.draftText } },
  });
  expect(saveDraft).toHaveProperty("draft");
  const bad = { input: { mailboxId: maria.mailboxId, to: 7, subject: { wrong: secrets.subject }, body: { text: secrets.text }, idempotencyKey: randomUUID() } };
  await maria.client.send("mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }", bad);
  await maria.client.send(`{ ${secrets.text.replaceAll(" ", "_")} }`);
  await new Client(app.url).send("mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }", {
    input: { userId: secrets.name, password: secrets.password },
  });
  expect(await messagesOf(erin)).toHaveLength(2);
  const until = after(app.clock.now(), DAY).toISOString();
  const held = { input: { targetId: (await newestOf(erin)).id, reason: "LEGAL", until, note: secrets.holdNote } };
  expect(
    await erin.client.send("mutation ($input: PlaceHoldInput!) { placeHold(input: $input) { ... on PlaceHoldPayload { hold { note } } } }", held),
  ).toMatchObject({
    data: { placeHold: { hold: { note: secrets.holdNote } } },
  });
  const search = "query ($id: ID!, $query: String!) { mailbox(id: $id) { search(query: $query) { edges { node { snippets { text } } } } } }";
  const found = await maria.client.send(search, { id: maria.mailboxId, query: secrets.text });
  expect(JSON.stringify(found)).toContain(secrets.text);
  const { id } = await requestExport(maria, { mailboxId: maria.mailboxId });
  await app.runJobsOnce();
  expect((await maria.client.download(`/exports/${id}`)).status).toBe(200);
}

test("after a busy story neither the database, nor its disk, nor the blob store, nor the log holds a word of what is secret", async () => {
  await busyStory();
  const places = { database: await wholeDatabase(), blobs: await filesBelow(path.join(app.dataDir, "blobs")), log: [Buffer.from(app.logged.join(""))] };
  for (const [place, contents] of Object.entries(places)) {
    expect(Buffer.concat(contents).length).toBeGreaterThan(1000);
    expect({ place, found: found(contents) }).toEqual({ place, found: [] });
  }
});

test("nor do the files that PostgreSQL wrote: tables, dead rows, indexes and the write-ahead log", async () => {
  await sql(app, "checkpoint");
  const [{ directory } = { directory: "" }] = await sql<{ directory: string }>(app, "select current_setting('data_directory') as directory");
  const [{ oid } = { oid: "" }] = await sql<{ oid: string }>(app, "select oid::text from pg_database where datname = current_database()");
  const written = [...(await filesBelow(path.join(directory, "base", oid))), ...(await filesBelow(path.join(directory, "pg_wal")))];
  expect(written.some((bytes) => bytes.includes(maria.address))).toBe(true); // Addresses are not secret: so we do see what is written
  // Other tests write the same log: only what is planted here and nowhere else can be looked for.
  const { password: _, ...planted } = secrets;
  expect(found(written, planted)).toEqual([]);
});

test("the search would find each secret in every encoding it knows", () => {
  for (const secret of Object.values(secrets)) {
    for (const [encoding, needles] of Object.entries(encodingsOf(secret))) {
      for (const needle of needles) {
        const hay = Buffer.concat([Buffer.from("some bytes before "), needle, Buffer.from(" and after")]);
        expect({ secret, encoding, found: found([hay]).length > 0 }).toEqual({ secret, encoding, found: true });
      }
    }
  }
});

/** Which secrets stand in these bytes, and in what encoding; upper and lower case are the same. */
function found(contents: readonly Buffer[], of: Readonly<Record<string, string>> = secrets): string[] {
  const lower = contents.map((bytes) => lowered(bytes));
  return Object.entries(of).flatMap(([name, secret]) =>
    Object.entries(encodingsOf(secret)).flatMap(([encoding, needles]) =>
      needles.some((needle) => lower.some((bytes) => bytes.includes(lowered(needle)))) ? [`${name} as ${encoding}`] : [],
    ),
  );
}

/** The ways in which a text may be written down by accident. */
function encodingsOf(secret: string): Record<string, Buffer[]> {
  const bytes = Buffer.from(secret);
  const utf16 = Buffer.from(secret, "utf16le");
  return {
    text: [bytes],
    "UTF-16": [utf16, Buffer.from(utf16).swap16()],
    "UTF-32": [Buffer.concat([...secret].map((letter) => Buffer.from([letter.codePointAt(0) ?? 0, 0, 0, 0])))],
    hexadecimal: [Buffer.from(bytes.toString("hex"))],
    "hexadecimal of UTF-16": [Buffer.from(utf16.toString("hex"))],
    base64: [0, 1, 2].map((shift) => Buffer.from(innerBase64(bytes, shift))),
    "base64 of base64": [0, 1, 2].map((shift) => Buffer.from(innerBase64(Buffer.from(innerBase64(bytes, 0)), shift))),
    "URL encoding": [Buffer.from(encodeURIComponent(secret)), Buffer.from(secret.replaceAll(" ", "+"))],
    "quoted-printable": [Buffer.from(secret.replaceAll(" ", "=20"))],
    "JSON escapes": [Buffer.from([...secret].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""))],
    "HTML references": [Buffer.from([...secret].map((letter) => `&#${letter.charCodeAt(0)};`).join(""))],
    "octal escapes": [Buffer.from([...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join(""))],
    "decimal list": [Buffer.from([...bytes].join(","))],
    "decimal list with spaces": [Buffer.from([...bytes].join(", "))],
    backwards: [Buffer.from([...secret].reverse().join(""))],
    ROT13: [Buffer.from(secret.replace(/[a-z]/gi, (letter) => String.fromCharCode(letter.charCodeAt(0) + (letter.toLowerCase() < "n" ? 13 : -13))))],
    deflate: [deflateRawSync(bytes)],
    gzip: [gzipSync(bytes).subarray(10)],
  };
}

/** The base64 digits that depend on nothing but these bytes, when they begin at this place in a group of three. */
function innerBase64(bytes: Buffer, shift: number): string {
  const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64");
  return text.slice(shift === 0 ? 0 : 4, -4);
}

/** ASCII letters in lower case, everything else as it is. */
function lowered(bytes: Buffer): Buffer {
  return Buffer.from(
    bytes.toString("latin1").replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
    "latin1",
  );
}

/** Every row of every table, as PostgreSQL prints it, and each `bytea` as the bytes it is. */
async function wholeDatabase(): Promise<Buffer[]> {
  const tables = await sql<{ name: string }>(
    app,
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
  );
  expect(tables.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["public.messages", "public.copies", "public.drafts", "public.events", "keys.data_keys"]),
  );
  const dumps = await Promise.all(
    tables.map(async ({ name }) => {
      const rows = await sql<Record<string, unknown>>(app, `select t.*, t::text as printed_row from ${name} t`);
      return rows.flatMap((row) => Object.values(row).map((value) => (Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value) ?? ""))));
    }),
  );
  return dumps.flat();
}

async function filesBelow(folder: string): Promise<Buffer[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(entries.filter((entry) => entry.isFile()).map((entry) => readFile(path.join(entry.parentPath, entry.name))));
}
