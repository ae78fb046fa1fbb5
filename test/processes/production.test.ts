import { execFile, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";

const root = path.join(import.meta.dirname, "..", "..");
const run = promisify(execFile);
let database: TestDatabase;
let dataDir: string;
let keyFile: string;
let signingKeyFile: string;

beforeAll(async () => {
  await run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], { cwd: root });
  database = await createDatabase();
  dataDir = await mkdtemp(path.join(tmpdir(), "secure-mailbox-production-"));
  keyFile = path.join(dataDir, "master-keys");
  await writeFile(keyFile, `first ${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
  signingKeyFile = path.join(dataDir, "audit-signing-key.pem");
  await writeFile(signingKeyFile, generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }));
}, 120_000);

afterAll(async () => {
  await database.drop();
  await rm(dataDir, { recursive: true, force: true });
});

test("the compiled server starts as the image starts it, holds no demo, and stops cleanly", async () => {
  const port = await freePort();
  const server = spawn(process.execPath, ["dist/main.js"], {
    cwd: root,
    env: {
      NODE_ENV: "production",
      PORT: String(port),
      DATA_DIR: dataDir,
      DATABASE_URL: database.url,
      PUBLIC_URL: "https://mail.insurer.example",
      SECRET_KEY: randomBytes(32).toString("base64"),
      KEYRING: `file:${keyFile}`,
      ORGANISATION_NAME: "Example Health",
      ORGANISATION_DOMAINS: "insurer.example",
      AUDIT_SIGNING_KEY: signingKeyFile,
      SMTP_URL: "smtp://localhost:1",
      MAIL_FROM: "no-reply@insurer.example",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output: string[] = [];
  server.stdout.on("data", (chunk: Buffer) => output.push(chunk.toString()));
  server.stderr.on("data", (chunk: Buffer) => output.push(chunk.toString()));
  const exited = once(server, "exit");
  try {
    await eventually(async () => expect((await fetch(`http://127.0.0.1:${port}/health/ready`)).status).toBe(200), 30_000);
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: 'mutation { signIn(input: { userId: "member", password: "demo-password-1234" }) { ... on Problem { code } } }' }),
    });
    expect(await response.json()).toMatchObject({ data: { signIn: { code: "INVALID_CREDENTIALS" } } });
    expect(response.headers.get("strict-transport-security")).toContain("max-age=");
    const playground = await fetch(`http://127.0.0.1:${port}/playground/config.json`);
    expect(await playground.json()).toEqual({ demo: false, organisation: "Example Health" });
  } finally {
    server.kill("SIGTERM");
  }
  expect(await exited).toEqual([0, null]);
  const lines = output.join("").trim().split("\n");
  expect(lines.length).toBeGreaterThan(1);
  for (const line of lines) expect(JSON.parse(line)).toHaveProperty("level");
}, 60_000);

test("production without its secrets is refused with the whole list", async () => {
  const refused = await run(process.execPath, ["dist/main.js"], { cwd: root, env: { NODE_ENV: "production" } }).then(
    () => ({ code: 0, stderr: "" }),
    (error: { code: number; stderr: string }) => error,
  );
  expect(refused.code).toBe(1);
  for (const name of ["DATABASE_URL", "PUBLIC_URL", "SECRET_KEY", "KEYRING", "ORGANISATION_NAME", "ORGANISATION_DOMAINS"])
    expect(refused.stderr).toContain(`${name} is missing`);
  expect(refused.stderr).not.toContain("    at ");
});
