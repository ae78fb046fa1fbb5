import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { publishSeals } from "../../src/ledger/publish-seals.ts";
import { record } from "../../src/ledger/record.ts";
import { sealLedger } from "../../src/ledger/seal-ledger.ts";
import { readSeal } from "../../src/ledger/seal.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { verified } from "../support/ledger.ts";

let app: TestApp;
let status = 200;
const received: { type: string | undefined; jws: string }[] = [];

const keeper = createServer((request, response) => {
  void text(request).then((jws) => {
    received.push({ type: request.headers["content-type"], jws });
    response.writeHead(status).end();
  });
});

beforeAll(async () => {
  await once(keeper.listen(0, "127.0.0.1"), "listening");
  const address = keeper.address();
  const port = typeof address === "object" ? address?.port : 0;
  app = await startTestApp({ config: { auditPublishUrl: `http://127.0.0.1:${port}/seals` } });
});

afterAll(async () => {
  await app.close();
  keeper.closeAllConnections();
  await once(keeper.close(), "close");
});

test("each seal is posted once, in order; one that was not taken comes again before those after it", async () => {
  await seal();
  await seal();
  await publishSeals(app.ctx());
  expect(numbers()).toEqual([1, 2]);
  await publishSeals(app.ctx());
  expect(numbers()).toEqual([1, 2]);

  status = 503;
  await seal();
  await seal();
  await expect(publishSeals(app.ctx())).rejects.toThrow("AUDIT_PUBLISH_URL answered 503 to seal 3");
  status = 204;
  await publishSeals(app.ctx());
  expect(numbers()).toEqual([1, 2, 3, 3, 4]);
  expect(received[0]?.type).toBe("application/jose");
});

test("what was posted is enough to see that a ledger was cut off", async () => {
  const published = received.at(-1)?.jws ?? "";
  expect((await verified(app, { published })).findings).toEqual([]);
  await app.owner.query("delete from sealed_ranges where seal = 4; delete from seals where number = 4");
  expect((await verified(app, { published })).findings).toEqual([
    { what: "seal", seal: 4, fault: "it was kept elsewhere and is removed here, with all after it" },
  ]);
});

test("nothing is posted where no address is set", async () => {
  const before = received.length;
  await seal();
  await publishSeals({ ...app.ctx(), config: { ...app.services.config, auditPublishUrl: null } });
  expect(received).toHaveLength(before);
});

async function seal(): Promise<void> {
  await record(app.ctx(), { action: "session.started" });
  await sealLedger(app.ctx());
}

function numbers(): (number | undefined)[] {
  return received.map(({ jws }) => readSeal(jws)?.payload.number);
}
