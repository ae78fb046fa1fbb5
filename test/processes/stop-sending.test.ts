import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { systemClock } from "../../src/clock.ts";
import { Language } from "../../src/mailer/language.ts";
import { queueMail } from "../../src/mailer/queue-mail.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { SmtpSink } from "../support/smtp-sink.ts";

let app: TestApp;
let sink: SmtpSink;

beforeAll(async () => {
  app = await startTestApp({ startAt: systemClock.now() });
  sink = await SmtpSink.start();
});

afterAll(async () => {
  await sink.close();
  await app.close();
});

test("SIGTERM in the middle of a mail: it arrives, is marked, and the worker ends at once", async () => {
  const held = Promise.withResolvers<undefined>();
  sink.onMail = () => held.promise;
  const signingKeyFile = path.join(app.dataDir, "worker-signing-key.pem");
  await writeFile(signingKeyFile, generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  const id = await queueMail(app.ctx(), {
    kind: "validation-code",
    address: "maria@home.example",
    language: Language.EN,
    data: { code: "483920", url: "http://localhost/", minutes: 15 },
  });
  const worker = spawn(process.execPath, ["--import", "tsx", "src/main.ts"], {
    cwd: path.join(import.meta.dirname, "..", ".."),
    env: {
      PATH: process.env.PATH,
      PARTS: "worker",
      DATABASE_URL: app.databaseUrl,
      DATA_DIR: app.dataDir,
      SECRET_KEY: Buffer.alloc(32, 7).toString("base64"),
      AUDIT_SIGNING_KEY: signingKeyFile,
      KEYRING: `file:${path.join(app.dataDir, "master-keys")}`,
      PUBLIC_URL: "https://mail.insurer.example",
      ORGANISATION_NAME: "Example Health",
      ORGANISATION_DOMAINS: "insurer.example",
      ...sink.environment,
    },
    stdio: "ignore",
  });
  const exited = once(worker, "exit");
  try {
    await app.owner.query("select graphile_worker.add_job('send-mails')");
    await eventually(() => expect(sink.senders).toHaveLength(1), 20_000);
    worker.kill("SIGTERM");
    held.resolve(undefined);
    expect(await exited).toEqual([0, null]);
  } finally {
    worker.kill("SIGKILL");
  }
  expect((await sink.parsed()).map(({ messageId }) => messageId)).toEqual([`<${id}@mail.insurer.example>`]);
  const { rows } = await app.owner.query("select attempts, next_at, sent_at is not null as sent from mails where id = $1", [id]);
  expect(rows).toEqual([{ attempts: 1, next_at: null, sent: true }]);
}, 60_000);
