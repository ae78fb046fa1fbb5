import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { promisify } from "node:util";
import { record } from "../../src/ledger/record.ts";
import { sealLedger } from "../../src/ledger/seal-ledger.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { verified } from "../support/ledger.ts";
import { eventsOf } from "../support/sql.ts";

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

afterAll(() => app.close());

test("npm run audit:prune removes what is older than six years and records that it did", async () => {
  const today = new Date();
  app.clock.moveTo(new Date("2019-01-01T00:00:00Z"));
  await record(app.ctx(), { action: "session.started" }, { action: "session.ended" });
  await sealLedger(app.ctx());
  await record(app.ctx(), { action: "session.started", code: "not sealed yet" });
  app.clock.moveTo(today);
  await record(app.ctx(), { action: "request.refused" });

  expect(await auditPrune()).toBe("Removed 2 events older than six years.\n");
  expect((await eventsOf(app)).map(({ action, code }) => code ?? action)).toEqual(["not sealed yet", "request.refused", "audit.pruned"]);
  await sealLedger(app.ctx());
  expect(await verified(app)).toEqual({ findings: [], seals: 2, events: 3, unsealed: 0 });
  expect(await auditPrune()).toBe("Removed 0 events older than six years.\n");
}, 60_000);

async function auditPrune(): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    PARTS: "api",
    DATABASE_URL: app.databaseUrl,
    PUBLIC_URL: "https://mail.insurer.example",
    SECRET_KEY: randomBytes(32).toString("base64"),
    KEYRING: `file:${path.join(app.dataDir, "master-keys")}`,
    ORGANISATION_NAME: "Example Health",
    ORGANISATION_DOMAINS: "insurer.example",
    AUDIT_SIGNING_KEY: path.join(app.dataDir, "audit-signing-key.pem"),
  };
  return (await promisify(execFile)(process.execPath, ["--import", "tsx", "src/audit-prune.ts"], { cwd: path.join(import.meta.dirname, "..", ".."), env }))
    .stdout;
}
