import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { deliver, messagesOf, openMessage, sendMessage, sent } from "../support/mail.ts";
import { employee, member, PASSWORD } from "../support/people.ts";
import { startTransit, type Transit } from "../support/transit.ts";
import { after, DAY } from "../../src/clock.ts";

let vault: Transit;

beforeEach(async () => {
  vault = await startTransit();
  vault.tokens.add("hvs.a");
});

afterEach(() => vault.close());

const startWithVault = (beside?: TestApp): Promise<TestApp> =>
  startTestApp({
    config: {
      session: { idleMinutes: 43_200, hours: 8_760 },
      keyring: { kind: "vault", mount: "transit", key: "mailbox", address: vault.url, token: "hvs.a", tokenFile: "", namespace: null },
    },
    ...(beside && { beside }),
  });

test("while the keyring is away writing and reading answer UNAVAILABLE, a server starts all the same, and all heals by itself", async () => {
  const app = await startWithVault();
  try {
    const [erin, maria] = [await employee(app), await member(app)];
    const { id } = await deliver(erin, maria, { subject: "Before" });
    app.clock.moveTo(after(START, DAY));
    vault.trouble = 503;
    expect(await sendMessage(erin, { to: [maria.address], subject: "A new day" })).toMatchObject({ code: "UNAVAILABLE" });
    expect(await openMessage(maria, id)).toMatchObject({ subject: "Before" });

    const other = await startWithVault(app);
    try {
      const there = { ...maria, client: new Client(other.url, maria.client.token) };
      const read = "query ($id: ID!) { message(id: $id) { subject } }";
      expect(await there.client.refusals(read, { id })).toEqual(["UNAVAILABLE"]);
      expect(other.logged.join("")).toContain("KeyringUnavailable");
      vault.trouble = null;
      expect(await openMessage(there, id)).toMatchObject({ subject: "Before" });
      sent(await sendMessage(erin, { to: [maria.address], subject: "A new day" }));
      expect((await messagesOf(there)).map(({ subject }) => subject)).toEqual(["A new day", "Before"]);
    } finally {
      await other.close();
    }
  } finally {
    await app.close();
  }
});

test("a keyring that refuses us is an error at the start", async () => {
  const app = await startWithVault();
  try {
    await expect(member(app).then(({ userId }) => Client.signIn(app.url, userId, PASSWORD))).resolves.toBeInstanceOf(Client);
    vault.tokens.clear();
    await expect(startWithVault(app)).rejects.toThrow("Vault refused keys with the key transit/mailbox (403).");
  } finally {
    await app.close();
  }
});
