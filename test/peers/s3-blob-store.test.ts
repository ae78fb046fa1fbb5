import { CreateBucketCommand, ListMultipartUploadsCommand, ListObjectsV2Command, ListPartsCommand, S3Client } from "@aws-sdk/client-s3";
import { createHash, randomBytes } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { print } from "graphql";
import { UploadDocument, type UploadMutation } from "../../operations/generated/operations.ts";
import { DAY } from "../../src/clock.ts";
import type { S3Config } from "../../src/config.ts";
import { RETENTION_DAYS } from "../../src/limits.ts";
import { expireMessages } from "../../src/retention/expire-messages.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { deliver, forwardMessage, openMessage, sent } from "../support/mail.ts";
import { usedMemory } from "../support/memory.ts";
import { employee, member, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";
import { ObjectGateway } from "./object-gateway.ts";

const MB = 1024 * 1024;
const UNAVAILABLE = { code: "STORAGE_UNAVAILABLE", message: "The file could not be stored for now. Nothing was kept; try again later." };

let gateway: ObjectGateway;
let s3: S3Config;
let bucket: S3Client;
let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  gateway = await ObjectGateway.open();
  await gateway.administer("user", "create", "--uid=mailbox", "--display-name=Mailbox", "--access-key=our-key", "--secret-key=our-secret");
  process.env.AWS_ACCESS_KEY_ID = "our-key";
  process.env.AWS_SECRET_ACCESS_KEY = "our-secret";
  bucket = new S3Client({ endpoint: gateway.endpoint, region: "us-east-1", forcePathStyle: true });
  await bucket.send(new CreateBucketCommand({ Bucket: "attachments" }));
  s3 = { bucket: "attachments", prefix: "mailbox/", endpoint: gateway.endpoint, region: null };
  app = await startTestApp({ limits: { maxAttachmentBytes: 64 * MB }, config: { s3, session: { idleMinutes: 500_000, hours: 10_000 } } });
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
});

afterAll(async () => {
  await app.close();
  bucket.destroy();
  await gateway.close();
});

// Whatever happened: each object belongs to a stored attachment, and no upload is left half done.
afterEach(async () => {
  await eventually(async () => expect(await sql(app, "select from attachments where stored_at is null")).toEqual([]));
  await app.runJobsOnce();
  const stored = await sql<{ blob_id: string }>(app, "select distinct blob_id from attachments order by blob_id");
  expect(await objects()).toEqual(stored.map(({ blob_id }) => `mailbox/${blob_id}`));
  expect(await uploads()).toEqual([]);
});

test("a file goes into the bucket and comes back, whole and in parts", async () => {
  for (const size of [0, 1, 65_536, 300_000]) {
    const bytes = randomBytes(size);
    const url = `/attachments/${await erin.client.uploaded("file.bin", new Uint8Array(bytes))}`;
    const whole = await erin.client.download(url);
    expect({ status: whole.status, length: whole.headers.get("content-length") }).toEqual({ status: 200, length: String(size) });
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    if (size < 300_000) continue;
    const part = await erin.client.download(url, { range: "bytes=70000-199999" });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(70_000, 200_000))).toBe(true);
  }
});

test("a forward shares the object, and it goes with the last message that has it", async () => {
  const before = await objects();
  const message = await deliver(erin, maria, { attachmentIds: [await erin.client.uploaded("shared.txt", "Shared.")] });
  expect(await objects()).toHaveLength(before.length + 1);
  await openMessage(maria, message.id);
  app.clock.advance(DAY);
  sent(await forwardMessage(maria, message.id, { to: [erin.address] }));
  expect(await objects()).toHaveLength(before.length + 1);

  app.clock.advance((RETENTION_DAYS - 1) * DAY);
  await expire();
  expect(await objects()).toHaveLength(before.length + 1);
  app.clock.advance(DAY);
  await expire();
  expect(await objects()).toHaveLength(before.length);

  async function expire(): Promise<void> {
    await expireMessages(app.ctx());
    await app.runJobsOnce();
  }
});

test("files of 30 MB go in parts, several at once, and none is ever held whole", async () => {
  const megabyte = new Uint8Array(randomBytes(MB));
  const hash = createHash("sha256");
  for (let n = 0; n < 30; n += 1) hash.update(megabyte);
  const expected = hash.digest("hex");
  const quiet = usedMemory();
  let most = 0;
  const thirty = function* (): Generator<Uint8Array> {
    for (let n = 0; n < 30; n += 1) {
      if (n % 6 === 5) most = Math.max(most, usedMemory());
      yield megabyte;
    }
  };
  const answers = await Promise.all(Array.from({ length: 4 }, () => uploadStream(thirty)));
  for (const answer of answers) {
    expect(answer).toMatchObject({ attachment: { size: 30 * MB } });
    const { body } = await erin.client.download(`/attachments/${"attachment" in answer ? answer.attachment.id : ""}`);
    const came = createHash("sha256");
    for await (const chunk of body ?? []) came.update(chunk);
    expect(came.digest("hex")).toBe(expected);
  }
  expect(most - quiet).toBeLessThan(90 * MB); // Of 120 MB: of each two parts of 5 MB, and what is on its way
});

test("an upload that its sender breaks off leaves nothing", async () => {
  const broken = new AbortController();
  const upload = uploadStream(async function* () {
    yield randomBytes(12 * MB);
    await partsStored(1);
    broken.abort();
    yield randomBytes(MB);
  }, broken.signal);
  await expect(upload).rejects.toThrow();
  await eventually(async () => expect(await uploads()).toEqual([]));
});

test("while nobody answers, uploads and downloads are refused within seconds, and nothing else", async () => {
  const id = await erin.client.uploaded("before.txt", "Before.");
  await gateway.stop();
  const begun = performance.now();
  expect(await erin.client.upload("during.txt", "During.")).toMatchObject(UNAVAILABLE);
  const response = await erin.client.download(`/attachments/${id}`);
  expect([response.status, response.headers.get("retry-after"), response.headers.get("content-disposition")]).toEqual([503, "60", null]);
  expect(await response.json()).toEqual({ errors: [{ message: expect.any(String), extensions: { code: "STORAGE_UNAVAILABLE" } }] });
  expect(performance.now() - begun).toBeLessThan(5_000);
  expect(app.logged.filter((line) => line.includes("StorageUnavailable"))).toHaveLength(2);
  await deliver(erin, maria);
  expect((await fetch(`${app.url}/health/ready`)).status).toBe(200);

  await gateway.start();
  expect(await erin.client.upload("after.txt", "After.")).toMatchObject({ attachment: { size: 6 } });
  expect(await (await erin.client.download(`/attachments/${id}`)).text()).toBe("Before.");
});

test("a store that goes away in the middle of an upload refuses it, and its parts go once it is back", async () => {
  const answer = await uploadStream(async function* () {
    yield randomBytes(12 * MB);
    await partsStored(1);
    await gateway.stop();
    yield randomBytes(12 * MB);
  });
  expect(answer).toMatchObject(UNAVAILABLE);
  expect(await sql(app, "select from attachments where stored_at is null")).toEqual([]);

  await gateway.start();
  expect(await uploads()).toHaveLength(1);
  await app.runJobsOnce();
  expect(await uploads()).toEqual([]);
  expect(await uploadStream(() => [randomBytes(12 * MB)])).toMatchObject({ attachment: { size: 12 * MB } });
});

test("a bucket that is full refuses, still gives, and takes again once there is room", async () => {
  const id = await erin.client.uploaded("first.txt", "First.");
  await gateway.administer("quota", "set", "--quota-scope=bucket", "--bucket=attachments", "--max-objects=1");
  await gateway.administer("quota", "enable", "--quota-scope=bucket", "--bucket=attachments");
  expect(await erin.client.upload("second.txt", "Second.")).toMatchObject(UNAVAILABLE);
  expect(await uploadStream(() => [randomBytes(12 * MB)])).toMatchObject(UNAVAILABLE);
  expect(await (await erin.client.download(`/attachments/${id}`)).text()).toBe("First.");
  await gateway.administer("quota", "disable", "--quota-scope=bucket", "--bucket=attachments");
  expect(await erin.client.upload("second.txt", "Second.")).toMatchObject({ attachment: { size: 7 } });
});

describe("a server", () => {
  test.each<[what: string, settings: () => Partial<S3Config>, secret: string, fault: string]>([
    ["a bucket that is not there", () => ({ bucket: "no-such-bucket" }), "our-secret", "BLOB_STORE s3://no-such-bucket cannot be used: NoSuchBucket"],
    ["a wrong secret", () => ({}), "another-secret", "BLOB_STORE s3://attachments cannot be used: SignatureDoesNotMatch"],
  ])("does not start with %s, and says so", async (_what, settings, secret, fault) => {
    process.env.AWS_SECRET_ACCESS_KEY = secret;
    try {
      await expect(startTestApp({ beside: app, config: { s3: { ...s3, ...settings() } } })).rejects.toThrow(fault);
    } finally {
      process.env.AWS_SECRET_ACCESS_KEY = "our-secret";
    }
  });

  test("starts while the store is away, and uses it once it is back", async () => {
    await gateway.stop();
    const second = await startTestApp({ beside: app, config: { s3 } });
    try {
      expect(second.logged).toContainEqual(expect.stringContaining("the blob store cannot be reached"));
      const client = new Client(second.url, erin.client.token);
      expect(await client.upload("early.txt", "Early.")).toMatchObject(UNAVAILABLE);
      await gateway.start();
      expect(await client.upload("late.txt", "Late.")).toMatchObject({ attachment: { size: 5 } });
    } finally {
      await second.close();
    }
  });

  test("does not wait for ever for a store that takes connections and says nothing", async () => {
    const sockets: Socket[] = [];
    const port = await freePort();
    const silent = createServer((socket) => sockets.push(socket)).listen(port, "127.0.0.1");
    const endpoint = `http://127.0.0.1:${port}`;
    const second = await startTestApp({ beside: app, config: { s3: { ...s3, endpoint } } });
    try {
      expect(await new Client(second.url, erin.client.token).upload("never.txt", "Never.")).toMatchObject(UNAVAILABLE);
      expect(sockets.length).toBeGreaterThanOrEqual(2);
    } finally {
      await second.close();
      for (const socket of sockets) socket.destroy();
      silent.close();
    }
  });
});

async function objects(): Promise<string[]> {
  const { Contents = [] } = await bucket.send(new ListObjectsV2Command({ Bucket: "attachments" }));
  return Contents.map(({ Key = "" }) => Key);
}

async function uploads(): Promise<{ Key?: string; UploadId?: string }[]> {
  const { Uploads = [] } = await bucket.send(new ListMultipartUploadsCommand({ Bucket: "attachments" }));
  return Uploads;
}

/** Waits until the one upload under way has so many parts in the bucket. */
function partsStored(count: number): Promise<void> {
  return eventually(async () => {
    const [{ Key, UploadId } = {}] = await uploads();
    const { Parts = [] } = await bucket.send(new ListPartsCommand({ Bucket: "attachments", Key, UploadId }));
    expect(Parts.length).toBeGreaterThanOrEqual(count);
  });
}

/** Uploads a file while it is being made. */
async function uploadStream(
  bytes: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal: AbortSignal | null = null,
): Promise<UploadMutation["uploadAttachment"]> {
  const field = (name: string, value: string): string => `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const form = async function* (): AsyncGenerator<Uint8Array> {
    const operations = JSON.stringify({ query: print(UploadDocument), variables: { file: null } });
    yield Buffer.from(`${field("operations", operations)}${field("map", '{"0":["variables.file"]}')}`);
    yield Buffer.from('--x\r\nContent-Disposition: form-data; name="0"; filename="large.bin"\r\n\r\n');
    yield* bytes();
    yield Buffer.from("\r\n--x--\r\n");
  };
  const response = await fetch(`${app.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "multipart/form-data; boundary=x", "apollo-require-preflight": "1", authorization: `Bearer ${erin.client.token}` },
    body: ReadableStream.from(form()),
    duplex: "half",
    signal,
  });
  const { data } = (await response.json()) as { data: UploadMutation };
  return data.uploadAttachment;
}
