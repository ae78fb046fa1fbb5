import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { SendMessageDocument, ViewerDocument } from "../../operations/generated/operations.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { RawSocket } from "../support/raw-socket.ts";
import { fetchFolder } from "../support/writing.ts";

const root = path.join(import.meta.dirname, "..", "..");
const password = "a-password-of-the-demo";
let dataDir: string;
let running: Server | null = null;

interface Server {
  readonly process: ChildProcess;
  readonly url: string;
  readonly output: string[];
  readonly exited: Promise<unknown[]>;
}

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), "secure-mailbox-demo-"));
});

afterAll(async () => {
  running?.process.kill("SIGTERM");
  await running?.exited;
  await rm(dataDir, { recursive: true, force: true });
}, 30_000);

/** Starts the demo as `npm start` does, and waits until it is ready. */
async function start(): Promise<Server> {
  const server = await launch();
  await eventually(async () => expect((await fetch(`${server.url}/health/ready`)).status).toBe(200), 30_000);
  running = server;
  return server;
}

async function launch(env: Record<string, string> = {}): Promise<Server> {
  const port = await freePort();
  const child = spawn(process.execPath, ["--import", "tsx", "src/main.ts"], {
    cwd: root,
    env: { PATH: process.env.PATH, PORT: String(port), DATA_DIR: dataDir, DEMO_PASSWORD: password, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output: string[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => output.push(chunk.toString()));
  return { process: child, url: `http://localhost:${port}`, output, exited: once(child, "exit") };
}

/** Sends one message after another until the server is gone; returns the keys it asked with and those that were answered. */
function keepSending(client: Client, mailboxId: string): { asked: string[]; answered: string[]; stopped: Promise<void> } {
  const asked: string[] = [];
  const answered: string[] = [];
  const one = async (): Promise<void> => {
    for (;;) {
      const idempotencyKey = randomUUID();
      asked.push(idempotencyKey);
      try {
        const { sendMessage } = await client.run(SendMessageDocument, { input: letter(mailboxId, idempotencyKey) });
        if ("message" in sendMessage && typeof sendMessage.message !== "string") answered.push(idempotencyKey);
        else return;
      } catch {
        return;
      }
    }
  };
  return { asked, answered, stopped: Promise.all([one(), one(), one(), one()]).then(() => undefined) };
}

function letter(mailboxId: string, idempotencyKey: string) {
  return { mailboxId, to: ["tom.becker@post.example"], subject: idempotencyKey, body: { text: "Some words." }, idempotencyKey };
}

async function signIn(url: string): Promise<{ client: Client; mailboxId: string }> {
  const client = await Client.signIn(url, "employee", password);
  const { viewer } = await client.run(ViewerDocument, {});
  return { client, mailboxId: viewer?.mailboxes[0]?.id ?? "" };
}

/** What the demo's member has in each mailbox. */
async function demoWorld(url: string): Promise<string[][]> {
  const client = await Client.signIn(url, "member", password);
  const { viewer } = await client.run(ViewerDocument, {});
  return Promise.all((viewer?.mailboxes ?? []).map(async ({ id }) => (await fetchFolder(client, id)).map((message) => message.id)));
}

async function sentSubjects(client: Client, mailboxId: string): Promise<string[]> {
  return (await fetchFolder(client, mailboxId, "SENT")).map(({ subject }) => subject);
}

test("a server that is stopped under load answers what it accepted, closes its sockets and leaves; nothing answered is lost", async () => {
  const server = await start();
  expect(server.output.join("")).toContain("employee");
  const { client, mailboxId } = await signIn(server.url);
  const closed: unknown[] = [];
  const socket = client.socket({ on: { closed: (event) => closed.push(event) } });
  const events = socket.iterate({ query: "subscription ($id: ID!) { mailboxChanged(mailboxId: $id) { cursor } }", variables: { id: mailboxId } });
  const sending = keepSending(client, mailboxId);
  expect(await events.next()).toMatchObject({ done: false });
  const mute = await RawSocket.open(server.url);
  await mute.say({ type: "connection_init", payload: { authorization: `Bearer ${client.token}` } });
  mute.pause(); // Will never say goodbye
  await eventually(() => expect(sending.answered.length).toBeGreaterThan(20));

  const began = performance.now();
  server.process.kill("SIGTERM");
  server.process.kill("SIGTERM"); // As a process group gets it twice
  expect(await server.exited).toEqual([0, null]);
  expect(performance.now() - began).toBeLessThan(15_000);
  await mute.close();
  await sending.stopped;
  await eventually(() => expect(closed).toMatchObject([{ code: 1001 }]));

  const restarted = performance.now();
  const again = await start();
  expect(performance.now() - restarted).toBeLessThan(20_000);
  const { client: after, mailboxId: same } = await signIn(again.url);
  expect(same).toBe(mailboxId);
  const subjects = await sentSubjects(after, mailboxId);
  for (const key of sending.answered) expect(subjects.filter((subject) => subject === key)).toHaveLength(1);
}, 90_000);

test("a server that is killed under load starts again on its data: what was answered is there once, what was not can be asked again", async () => {
  const server = running ?? (await start());
  const { client, mailboxId } = await signIn(server.url);
  const world = await demoWorld(server.url);
  expect(world.flat()).not.toEqual([]);
  const sending = keepSending(client, mailboxId);
  await eventually(() => expect(sending.answered.length).toBeGreaterThan(20));
  server.process.kill("SIGKILL");
  await server.exited;
  await sending.stopped;

  const again = await start();
  const { client: after } = await signIn(again.url);
  expect(await demoWorld(again.url)).toEqual(world); // seeded once, not once more
  const subjects = await sentSubjects(after, mailboxId);
  for (const key of sending.answered) expect(subjects.filter((subject) => subject === key)).toHaveLength(1);
  for (const idempotencyKey of sending.asked) await after.run(SendMessageDocument, { input: letter(mailboxId, idempotencyKey) });
  const complete = await sentSubjects(after, mailboxId);
  for (const key of sending.asked) expect(complete.filter((subject) => subject === key)).toHaveLength(1);
}, 90_000);

test("a second server on the same data, and one on a taken port, are refused with one clear line", async () => {
  const server = running ?? (await start());
  const second = await launch();
  expect(await second.exited).toEqual([1, null]);
  expect(second.output.join("").trim()).toMatch(/^DATA_DIR .* is in use by another running server.*$/);

  const port = new URL(server.url).port;
  const third = await launch({ PORT: port, DATA_DIR: path.join(dataDir, "other") });
  expect(await third.exited).toEqual([1, null]);
  expect(third.output.join("").trim()).toBe(`Port ${port} is taken by another program. Stop that, or set PORT to another one.`);
  expect((await fetch(`${server.url}/health/ready`)).status).toBe(200);
}, 60_000);
