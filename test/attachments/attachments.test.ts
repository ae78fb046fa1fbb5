import { randomBytes } from "node:crypto";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { print } from "graphql";
import { DeleteMessagesDocument, NodeDocument, UploadDocument } from "../../operations/generated/operations.ts";
import { cleanFileName, detectMediaType } from "../../src/attachments/file-name.ts";
import { after, DAY, HOUR, MINUTE } from "../../src/clock.ts";
import { decodeAnyId, encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { zipOf } from "../support/archives.ts";
import { Client } from "../support/client.ts";
import { deliver, newestOf, openMessage, sendMessage, sent } from "../support/mail.ts";
import { employee, member, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

const MAX_BYTES = 300_000;

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;
let mallory: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ limits: { maxAttachmentBytes: MAX_BYTES, maxWaitingUploads: 4 }, config: { session: { idleMinutes: 500_000, hours: 10_000 } } });
  [erin, maria, mallory] = [await employee(app, "erin"), await member(app, "maria"), await employee(app, "mallory")];
});

afterEach(async () => {
  await sql(app, "delete from attachments where message_id is null and draft_id is null");
});

afterAll(() => app.close());

test("an upload answers with the file as it is, and its uploader can fetch it at once", async () => {
  const result = await erin.client.upload("Report 2026.txt", "Forty-two.");
  expect(result).toEqual({ attachment: { id: expect.any(String), fileName: "Report 2026.txt", mediaType: "text/plain", size: 10, state: "CLEAN" } });
  const id = "attachment" in result ? result.attachment.id : "";
  const response = await erin.client.download(`/attachments/${id}`);
  expect(await response.text()).toBe("Forty-two.");
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "accept-ranges": "bytes",
    "cache-control": "private, no-store",
    "content-disposition": 'attachment; filename="Report 2026.txt"',
    "content-length": "10",
    "content-security-policy": "default-src 'none'; sandbox",
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
  });
});

test("sender and recipients fetch the very bytes, from the address the message names", async () => {
  const bytes = randomBytes(250_000);
  const { id } = await deliver(erin, maria, { attachmentIds: [await erin.client.uploaded("random.bin", new Uint8Array(bytes))] });
  const { id: own } = await newestOf(erin, { folder: "SENT" });
  for (const [person, messageId] of [
    [erin, own],
    [maria, id],
  ] as const) {
    const { attachments } = await openMessage(person, messageId);
    expect(attachments).toEqual([
      {
        id: expect.any(String),
        fileName: "random.bin",
        mediaType: "application/octet-stream",
        size: 250_000,
        state: "CLEAN",
        downloadUrl: `/attachments/${attachments[0]?.id}`,
      },
    ]);
    const response = await person.client.download(attachments[0]?.downloadUrl ?? "");
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
  }
});

describe("the type is what the content shows, whatever the name claims:", () => {
  const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

  test.each<[what: string, name: string, bytes: Buffer, mediaType: string]>([
    ["a picture", "photo.txt", png, "image/png"],
    ["a PDF", "form", Buffer.from("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "latin1"), "application/pdf"],
    ["a program", "form.pdf", Buffer.concat([Buffer.from("MZ"), Buffer.alloc(200)]), "application/x-msdownload"],
    ["an archive", "form.pdf", Buffer.from(zipOf([{ data: Buffer.from("Some words.") }])), "application/zip"],
    ["text", "text.pdf", Buffer.from("Grüße, 👋\tund mehr.\r\n"), "text/plain"],
    ["a page", "page.html", Buffer.from("<!doctype html><script>alert(1)</script>"), "text/plain"],
    ["text cut in a letter", "long.txt", Buffer.from(`x${"ä".repeat(5000)}`), "text/plain"],
    ["binary", "b.txt", Buffer.from([0, 1, 2, 3, 250, 251]), "application/octet-stream"],
    ["Latin-1", "old.txt", Buffer.from("Gr\xfc\xdfe", "latin1"), "application/octet-stream"],
    ["nothing", "empty.txt", Buffer.alloc(0), "application/octet-stream"],
  ])("%s", async (_what, name, bytes, mediaType) => {
    const result = await erin.client.upload(name, new Uint8Array(bytes));
    expect(result).toMatchObject({ attachment: { fileName: name, mediaType, size: bytes.length } });
    const response = await erin.client.download(`/attachments/${"attachment" in result ? result.attachment.id : ""}`);
    expect(response.headers.get("content-type")).toBe(mediaType === "text/plain" ? "text/plain; charset=utf-8" : mediaType);
    expect(response.headers.get("content-disposition")).toMatch(/^attachment; /);
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
  });

  test("SVG and XML are not taken for a page", async () => {
    expect(await detectMediaType(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'))).not.toMatch(/html|svg/);
  });
});

describe("a name is only a name:", () => {
  const emoji = "😀".repeat(150);

  test.each<[written: string, kept: string]>([
    ["report.pdf", "report.pdf"],
    ["Grüße an Zoë.pdf", "Grüße an Zoë.pdf"],
    ["Zoe\u0308.pdf", "Zoë.pdf"],
    ["שלום 👋.txt", "שלום 👋.txt"],
    ["../../etc/passwd", "passwd"],
    ["..\\..\\windows\\system32\\calc.exe", "calc.exe"],
    ["/", "attachment"],
    ["..", "attachment"],
    [".htaccess", "htaccess"],
    ["trailing. . .", "trailing"],
    ["  spaced   out.txt ", "spaced out.txt"],
    ["a\r\nSet-Cookie: x=1.txt", "aSet-Cookie x=1.txt"],
    ["nul\0.txt", "nul.txt"],
    ['quo"ted".txt', "quoted.txt"],
    ["a:b*c?d<e>f|g.txt", "abcdefg.txt"],
    ["invoice\u202efdp.exe", "invoicefdp.exe"],
    ["zero\u200bwidth\ufeff.txt", "zerowidth.txt"],
    ["line\u2028end.txt", "lineend.txt"],
    ["", "attachment"],
    ["\u202e", "attachment"],
    [`${"x".repeat(196)}.pdf`, `${"x".repeat(196)}.pdf`],
    [`${"x".repeat(300)}.pdf`, `${"x".repeat(196)}.pdf`],
    ["x".repeat(300), "x".repeat(200)],
    [`x.${"y".repeat(300)}`, `x.${"y".repeat(198)}`],
    [`a${emoji}.pdf`, `a${"😀".repeat(97)}.pdf`],
  ])("%j is kept as %j", (written, kept) => {
    expect(cleanFileName(written)).toBe(kept);
    expect(kept.isWellFormed()).toBe(true);
    expect(cleanFileName(kept)).toBe(kept);
  });

  test.each<[sent: string, kept: string, header: string]>([
    ["Grüße.txt", "Grüße.txt", `attachment; filename="Gr??e.txt"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt`],
    ["100%25.txt", "100%25.txt", `attachment; filename="100%25.txt"; filename*=UTF-8''100%2525.txt`],
    ['a\\"b.txt', "ab.txt", 'attachment; filename="ab.txt"'],
    ["evil/../name.txt", "name.txt", 'attachment; filename="name.txt"'],
    ["it's (1).txt", "it's (1).txt", `attachment; filename="it's (1).txt"`],
    [`a${emoji}.txt`, `a${"😀".repeat(97)}.txt`, `attachment; filename="a${"?".repeat(97)}.txt"; filename*=UTF-8''a${"%F0%9F%98%80".repeat(97)}.txt`],
  ])("sent as %j, it is kept as %j and offered as RFC 6266 wants it", async (sentAs, kept, header) => {
    const { id, fileName } = await uploadAs(sentAs);
    expect(fileName).toBe(kept);
    const response = await erin.client.download(`/attachments/${id}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-disposition")).toBe(header);
  });
});

describe("ranges", () => {
  let url: string;
  const text = "0123456789";

  beforeEach(async () => {
    url = `/attachments/${await erin.client.uploaded("digits.txt", text)}`;
  });

  test.each<[range: string, part: string, contentRange: string]>([
    ["bytes=0-", text, "bytes 0-9/10"],
    ["bytes=0-0", "0", "bytes 0-0/10"],
    ["bytes=2-4", "234", "bytes 2-4/10"],
    ["bytes=9-", "9", "bytes 9-9/10"],
    ["bytes=-3", "789", "bytes 7-9/10"],
    ["bytes=-100", text, "bytes 0-9/10"],
    ["bytes=5-100", "56789", "bytes 5-9/10"],
  ])("%s is a part", async (range, part, contentRange) => {
    const response = await erin.client.download(url, { range });
    expect({
      status: response.status,
      text: await response.text(),
      range: response.headers.get("content-range"),
      length: response.headers.get("content-length"),
    }).toEqual({
      status: 206,
      text: part,
      range: contentRange,
      length: String(part.length),
    });
    expect(response.headers.get("content-disposition")).toMatch(/^attachment; /);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  });

  test.each(["bytes=10-", "bytes=10-20", "bytes=4-2", "bytes=-0", "bytes=99999999999999999999-"])("%s is none", async (range) => {
    const response = await erin.client.download(url, { range });
    expect({ status: response.status, text: await response.text(), range: response.headers.get("content-range") }).toEqual({
      status: 416,
      text: "",
      range: "bytes */10",
    });
  });

  test.each(["bytes=0-1,3-4", "lines=1-2", "bytes", "bytes=a-b", "", "bytes=0-1;x"])("%j is served whole", async (range) => {
    const response = await erin.client.download(url, { range });
    expect({ status: response.status, text: await response.text(), range: response.headers.get("content-range") }).toEqual({ status: 200, text, range: null });
  });

  test("of an empty file are none, and the file itself is", async () => {
    const empty = `/attachments/${await erin.client.uploaded("empty", "")}`;
    expect((await erin.client.download(empty, { range: "bytes=0-" })).status).toBe(416);
    const response = await erin.client.download(empty);
    expect([response.status, await response.text(), response.headers.get("content-length")]).toEqual([200, "", "0"]);
  });

  test("HEAD answers like GET, without bytes and without being recorded as a download", async () => {
    const recorded = async () => (await eventsOf(app)).filter(({ action }) => action === "attachment.downloaded").length;
    const before = await recorded();
    for (const [range, status, length] of [
      [undefined, 200, "10"],
      ["bytes=2-4", 206, "3"],
      ["bytes=99-", 416, null],
    ] as const) {
      const headers = { authorization: `Bearer ${erin.client.token}`, ...(range && { range }) };
      const head = await fetch(`${app.url}${url}`, { method: "HEAD", headers });
      expect({ status: head.status, text: await head.text() }).toEqual({ status, text: "" });
      if (length !== null) expect(head.headers.get("content-length")).toBe(length);
      expect(head.headers.get("content-disposition")).toBe('attachment; filename="digits.txt"');
    }
    expect(await recorded()).toBe(before);
    await (await erin.client.download(url)).text();
    expect(await recorded()).toBe(before + 1);
  });
});

test("whoever has no copy gets the answer that a random id gets, and nobody gets to sign in first", async () => {
  const attachmentIds = [await erin.client.uploaded("secret.txt", "secret")];
  const waiting = await erin.client.uploaded("waiting.txt", "waiting");
  sent(await sendMessage(erin, { to: [maria.address], attachmentIds }));
  const [id = ""] = attachmentIds;
  expect((await maria.client.download(`/attachments/${id}`)).status).toBe(200);

  const never = await answerTo(mallory.client, encodeId("Attachment", newId(START)));
  expect(never).toMatchObject({ status: 404, body: expect.stringContaining("NOT_FOUND") });
  for (const foreign of [id, waiting, encodeId("Message", maria.mailboxKey, newId(START)), "x", "..%2f..%2fetc%2fpasswd"]) {
    expect(await answerTo(mallory.client, foreign)).toEqual(never);
  }
  expect(await answerTo(maria.client, waiting)).toEqual(never);
  const nobody = new Client(app.url);
  const unauthenticated = await answerTo(nobody, id);
  expect(unauthenticated).toMatchObject({ status: 401, body: expect.stringContaining("UNAUTHENTICATED") });
  expect(await answerTo(nobody, encodeId("Attachment", newId(START)))).toEqual(unauthenticated);
  expect(await mallory.client.refusals(print(NodeDocument), { id })).toEqual(["NOT_FOUND"]);
  expect(await maria.client.run(NodeDocument, { id })).toEqual({ node: { __typename: "Attachment", id } });
});

test("deleting a message takes its files from its mailbox only", async () => {
  const attachmentIds = [await erin.client.uploaded("kept.txt", "kept")];
  const { id } = await deliver(erin, maria, { attachmentIds });
  await maria.client.run(DeleteMessagesDocument, { input: { messageIds: [id] } });
  expect((await maria.client.download(`/attachments/${attachmentIds[0]}`)).status).toBe(404);
  expect(await (await erin.client.download(`/attachments/${attachmentIds[0]}`)).text()).toBe("kept");
});

test("uploads and downloads stand in the ledger, with the mailbox they came from", async () => {
  const known = (await eventsOf(app, erin.mailboxKey)).length;
  const [attachmentId] = [await erin.client.uploaded("audited.txt", "audited")];
  const uploaded = (await eventsOf(app, erin.mailboxKey)).slice(known);
  const uuid = decodeAnyId(attachmentId)?.uuids[0];
  expect(uploaded).toMatchObject([{ action: "attachment.uploaded", actor_id: erin.accountId, subject_id: uuid }]);
  await deliver(erin, maria, { attachmentIds: [attachmentId] });
  await (await maria.client.download(`/attachments/${attachmentId}`)).text();
  expect((await eventsOf(app, maria.mailboxKey)).at(-1)).toMatchObject({ action: "attachment.downloaded", actor_id: maria.accountId, subject_id: uuid });
});

describe("limits", () => {
  test("a file may be as large as the limit says, and one byte more leaves nothing behind", async () => {
    const blobs = await blobsOnDisk();
    expect(await erin.client.upload("large.bin", new Uint8Array(MAX_BYTES + 1))).toMatchObject({ code: "LIMIT_EXCEEDED", limit: MAX_BYTES });
    expect(await blobsOnDisk()).toEqual(blobs);
    expect(await sql(app, "select from attachments where uploaded_by = $1 and message_id is null", [erin.accountId])).toEqual([]);
    expect(await erin.client.upload("large.bin", new Uint8Array(MAX_BYTES))).toMatchObject({ attachment: { size: MAX_BYTES } });
  });

  test("so many uploads may wait, and one that is sent waits no more", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 4; n += 1) ids.push(await erin.client.uploaded(`${n}.txt`, `${n}`));
    expect(await erin.client.upload("more.txt", "more")).toMatchObject({ code: "LIMIT_EXCEEDED", limit: 4 });
    expect(await maria.client.upload("hers.txt", "hers")).toMatchObject({ attachment: { fileName: "hers.txt" } });
    sent(await sendMessage(erin, { to: [maria.address], attachmentIds: ids.slice(0, 1) }));
    expect(await erin.client.upload("more.txt", "more")).toMatchObject({ attachment: { fileName: "more.txt" } });
  });
});

describe("the sweep", () => {
  test("removes an upload that waited for a day, with its file, and nothing younger or in use", async () => {
    await sweepNow();
    const kept = await blobsOnDisk();
    const abandoned = await erin.client.uploaded("abandoned.txt", "abandoned");
    const used = await erin.client.uploaded("used.txt", "used");
    sent(await sendMessage(erin, { to: [maria.address], attachmentIds: [used] }));
    const begun = app.clock.now();
    app.clock.advance(HOUR);
    const younger = await erin.client.uploaded("younger.txt", "younger");

    app.clock.moveTo(after(begun, DAY));
    await sweepNow();
    expect((await erin.client.download(`/attachments/${abandoned}`)).status).toBe(200);
    expect(await blobsOnDisk()).toHaveLength(kept.length + 3);
    app.clock.advance(1);
    await sweepNow();
    expect((await erin.client.download(`/attachments/${abandoned}`)).status).toBe(404);
    expect(await sendMessage(erin, { to: [maria.address], attachmentIds: [abandoned] })).toMatchObject({ code: "ATTACHMENT_NOT_READY" });
    expect(await blobsOnDisk()).toHaveLength(kept.length + 2);
    for (const id of [used, younger]) expect((await erin.client.download(`/attachments/${id}`)).status).toBe(200);
  });

  test("removes what a crash left of an upload half an hour ago, and what is coming in stays", async () => {
    await sweepNow();
    const kept = await blobsOnDisk();
    const leave = async (createdAt: Date): Promise<string> => {
      const [id, blobId] = [newId(createdAt), newId(createdAt)];
      await sql(app, "insert into attachments (id, blob_id, uploaded_by, created_at) values ($1, $2, $3, $4)", [id, blobId, erin.accountId, createdAt]);
      await mkdir(path.join(app.dataDir, "blobs", blobId.slice(-2)), { recursive: true });
      await writeFile(path.join(app.dataDir, "blobs", blobId.slice(-2), `${blobId}.part`), "half of i");
      return encodeId("Attachment", id);
    };
    const now = app.clock.now();
    const crashed = await leave(after(now, -31 * MINUTE));
    const coming = await leave(after(now, -29 * MINUTE));
    expect(await blobsOnDisk()).toHaveLength(kept.length + 2);
    for (const id of [crashed, coming]) expect((await erin.client.download(`/attachments/${id}`)).status).toBe(404);
    expect(await sendMessage(erin, { to: [maria.address], attachmentIds: [coming] })).toMatchObject({ code: "ATTACHMENT_NOT_READY" });
    await sweepNow();
    expect(await blobsOnDisk()).toHaveLength(kept.length + 1);
    expect(await sql(app, "select from attachments where stored_at is null")).toHaveLength(1);
  });

  async function sweepNow(): Promise<void> {
    await sweep(app.ctx());
    await app.runJobsOnce();
  }
});

/** Uploads a file whose name stands in the form exactly so. */
async function uploadAs(name: string): Promise<{ id: string; fileName: string }> {
  const part = (disposition: string, content: string): string => `--x\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`;
  const body = [
    part('name="operations"', JSON.stringify({ query: print(UploadDocument), variables: { file: null } })),
    part('name="map"', '{"0":["variables.file"]}'),
    part(`name="0"; filename="${name}"`, "content"),
    "--x--\r\n",
  ].join("");
  const response = await fetch(`${app.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "multipart/form-data; boundary=x", "apollo-require-preflight": "1", authorization: `Bearer ${erin.client.token}` },
    body,
  });
  const { data } = (await response.json()) as { data: { uploadAttachment: { attachment: { id: string; fileName: string } } } };
  return data.uploadAttachment.attachment;
}

/** All that somebody sees of an answer to a download, but what differs for every request. */
async function answerTo(client: Client, id: string) {
  const response = await client.download(`/attachments/${id}`);
  const { date: _date, "x-request-id": _id, ...headers } = Object.fromEntries(response.headers);
  return { status: response.status, headers, body: await response.text() };
}

async function blobsOnDisk(): Promise<string[]> {
  const entries = await readdir(path.join(app.dataDir, "blobs"), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();
}

test("the files of one message together keep a limit of their own", async () => {
  const small = await startTestApp({ limits: { maxTotalAttachmentBytes: 10 } });
  try {
    const erin = await employee(small, "erin");
    const maria = await member(small, "maria");
    const [six, four, one] = [
      await erin.client.uploaded("a.txt", "123456"),
      await erin.client.uploaded("b.txt", "1234"),
      await erin.client.uploaded("c.txt", "1"),
    ];
    expect(await sendMessage(erin, { to: [maria.address], attachmentIds: [six, four, one] })).toMatchObject({
      code: "LIMIT_EXCEEDED",
      field: "attachmentIds",
      limit: 10,
    });
    expect(sent(await sendMessage(erin, { to: [maria.address], attachmentIds: [six, four] }))).toMatchObject({ attachmentCount: 2 });
  } finally {
    await small.close();
  }
});
