import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { DAY, HOUR } from "../../src/clock.ts";
import { letIn } from "../../src/mailboxes/open-mailbox.ts";
import { expireExports } from "../../src/exports/expire-exports.ts";
import type { ExportStatusFragment } from "../../operations/generated/operations.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { downloaded, exportOf, madeExport, requestExport } from "../support/exports.ts";
import { deliver, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member, PASSWORD, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;
let made: ExportStatusFragment;
let url: string;

beforeEach(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 600, hours: 48 } } });
  erin = await employee(app, "erin");
  maria = await member(app, "maria");
  const { id } = await deliver(erin, maria, { text: "planted secret ".repeat(20), attachmentIds: [await erin.client.uploaded("a.txt", "x".repeat(200_000))] });
  made = await madeExport(app, maria, { messageIds: [id] });
  url = made.downloadUrl ?? "";
});

afterEach(() => app.close());

async function blobsOnDisk(): Promise<string[]> {
  const entries = await readdir(path.join(app.dataDir, "blobs"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

test("an export goes out whole to the account that asked for it, as a file to save, under its name, size and checksum", async () => {
  const response = await maria.client.download(url);
  expect(response.status).toBe(200);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "application/zip",
    "content-disposition": 'attachment; filename="secure-messages-2026-03-02.zip"',
    "content-length": String(made.size),
    "cache-control": "private, no-store",
    "accept-ranges": "bytes",
    etag: `"${made.sha256}"`,
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  expect(bytes.length).toBe(made.size);
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(made.sha256);
  expect(made).toMatchObject({ state: "READY", messageCount: 1, doneCount: 1, fileName: "secure-messages-2026-03-02.zip" });

  const head = await fetch(`${app.url}${url}`, { method: "HEAD", headers: { authorization: `Bearer ${maria.client.token}` } });
  expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, String(made.size), ""]);
  expect((await eventsOf(app)).filter(({ action }) => action === "export.downloaded")).toHaveLength(1);
});

test("a download that broke off goes on where it was", async () => {
  const whole = await downloaded(maria, made);
  const half = Math.floor(whole.length / 2);
  const rest = await maria.client.download(url, { range: `bytes=${half}-`, "if-range": `"${made.sha256}"` });
  expect(rest.status).toBe(206);
  expect(rest.headers.get("content-range")).toBe(`bytes ${half}-${whole.length - 1}/${whole.length}`);
  expect(Buffer.from(await rest.arrayBuffer())).toEqual(whole.subarray(half));
  const other = await maria.client.download(url, { range: `bytes=${half}-`, "if-range": '"another"' });
  expect([other.status, Buffer.from(await other.arrayBuffer()).equals(whole)]).toEqual([200, true]);
  const beyond = await maria.client.download(url, { range: `bytes=${whole.length}-` });
  expect([beyond.status, beyond.headers.get("content-range")]).toEqual([416, `bytes */${whole.length}`]);
});

test("nobody else gets it, with the same answer as for what never was", async () => {
  expect((await maria.client.download(url)).status).toBe(200);
  const second = await Client.signIn(app.url, "maria", PASSWORD);
  expect((await second.download(url)).status).toBe(200);
  expect((await erin.client.download(url)).status).toBe(404);
  expect((await erin.client.download("/exports/x")).status).toBe(404);
  expect((await new Client(app.url).download(url)).status).toBe(401);
});

test("its link is good for an hour; then the file is removed, and a day later all that is left of it", async () => {
  expect(await blobsOnDisk()).toHaveLength(2); // The attachment, and the export
  app.clock.advance(HOUR - 1);
  expect((await maria.client.download(url)).status).toBe(200);
  await expireExports(app.ctx());
  expect((await maria.client.download(url)).status).toBe(200);

  app.clock.advance(1);
  expect((await maria.client.download(url)).status).toBe(404);
  expect(await exportOf(maria, made.id)).toMatchObject({ state: "EXPIRED", downloadUrl: null });
  await expireExports(app.ctx());
  await app.runJobsOnce();
  expect(await blobsOnDisk()).toHaveLength(1);
  expect(await sql(app, "select blob_id, header from exports")).toEqual([{ blob_id: null, header: null }]);
  expect((await eventsOf(app)).filter(({ action }) => action === "export.expired")).toMatchObject([{ actor_id: null }]);
  expect((await maria.client.download(url)).status).toBe(404);

  app.clock.advance(DAY);
  await expireExports(app.ctx());
  expect(await sql(app, "select from exports")).toEqual([]);
  expect((await eventsOf(app)).filter(({ action }) => action === "export.expired")).toHaveLength(1);
});

test("whoever lost a mailbox has no export of it either", async () => {
  const team = await createTeam(app, "claims", [erin]);
  sent(await sendMessage(maria, { to: [team.address] }));
  const ofTeam = await madeExport(app, erin, { mailboxId: team.mailboxId });
  const pending = await requestExport(erin, { mailboxId: team.mailboxId });
  expect((await erin.client.download(ofTeam.downloadUrl ?? "")).status).toBe(200);
  await sql(app, "update mailbox_holders set ends_at = $1 where mailbox_id = $2", [app.clock.now(), team.mailboxKey]);
  expect((await erin.client.download(ofTeam.downloadUrl ?? "")).status).toBe(404);
  for (const { id } of [ofTeam, pending]) expect(await erin.client.refusals("query ($id: ID!) { export(id: $id) { id } }", { id })).toEqual(["NOT_FOUND"]);
  await letIn(app.ctx(), { mailboxId: team.mailboxKey, accountId: maria.accountId });
  expect((await maria.client.download(ofTeam.downloadUrl ?? "")).status).toBe(404);
});

test("no words of a message are in the store, the database's exports or the log", async () => {
  await downloaded(maria, made);
  const stored = await sql<{ row: string }>(app, "select exports::text as row from exports");
  expect(stored).toHaveLength(1);
  expect(JSON.stringify(stored) + app.logged.join("")).not.toContain("secret");
  const [row] = await sql<{ header: Buffer; blob_id: string }>(app, "select header, blob_id from exports");
  expect(row?.header.toString("latin1")).not.toContain("key");
  const blob = await readFile(path.join(app.dataDir, "blobs", (row?.blob_id ?? "").slice(-2), row?.blob_id ?? ""));
  for (const word of ["secret", "index.html", "PK\u0003\u0004"]) expect(blob.toString("latin1")).not.toContain(word);
});
