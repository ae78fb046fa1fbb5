import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TransitSettings } from "../../src/config.ts";
import { KeyringRefused, KeyringUnavailable } from "../../src/vault/keyring.ts";
import { TransitKeyring } from "../../src/vault/transit-keyring.ts";
import { freePort } from "../support/free-port.ts";
import { startTransit, type Transit } from "../support/transit.ts";

// The client over HTTP, against an endpoint of this machine that speaks the protocol: the service cannot run here.
const dataKey = randomBytes(32);
const token = `hvs.${randomUUID()}`;
let vault: Transit;
let folder: string;

beforeEach(async () => {
  vault = await startTransit();
  vault.tokens.add(token);
  folder = await mkdtemp(path.join(tmpdir(), "secure-mailbox-vault-"));
});

afterEach(async () => {
  await vault.close();
  await rm(folder, { recursive: true, force: true });
});

const keyringWith = (settings: Partial<TransitSettings> = {}): TransitKeyring =>
  new TransitKeyring({ mount: "transit", key: "mailbox", address: vault.url, token, tokenFile: "", namespace: null, ...settings });

test("a data key comes back as it was, and the master key is named with its version", async () => {
  const keyring = keyringWith();
  const { wrapped, masterKeyId } = await keyring.wrap(dataKey, "day/2026-03-02");
  expect(masterKeyId).toBe("transit/mailbox:v1");
  expect(await keyring.presentMasterKey()).toBe("transit/mailbox:v1");
  expect(wrapped.toString()).toMatch(/^vault:v1:/);
  expect(await keyring.unwrap(wrapped, "day/2026-03-02")).toEqual(dataKey);
  expect(vault.asked).toEqual(["POST /v1/transit/encrypt/mailbox", "GET /v1/transit/keys/mailbox", "POST /v1/transit/decrypt/mailbox"]);
  expect(vault.namespace).toBeUndefined();
});

test("a data key opens under its own context and unchanged, and else Vault refuses", async () => {
  const keyring = keyringWith();
  const { wrapped } = await keyring.wrap(dataKey, "day/2026-03-02");
  expect(await keyring.unwrap(wrapped, "day/2026-03-02")).toEqual(dataKey);
  const refusal = new KeyringRefused("Vault refused decrypt with the key transit/mailbox (400).", "400");
  await expect(keyring.unwrap(wrapped, "day/2026-03-03")).rejects.toThrow(refusal);
  await expect(keyring.unwrap(wrapped.subarray(0, -4), "day/2026-03-02")).rejects.toThrow(refusal);
  await expect(keyring.unwrap(wrapped.subarray(1), "day/2026-03-02")).rejects.toThrow(refusal);
});

test("rotating in Vault shows: the new version wraps, both unwrap, until the old one is retired", async () => {
  const keyring = keyringWith();
  const before = await keyring.wrap(dataKey, "directory");
  vault.rotate();
  expect(await keyring.presentMasterKey()).toBe("transit/mailbox:v2");
  const after = await keyring.wrap(dataKey, "directory");
  expect(after.masterKeyId).toBe("transit/mailbox:v2");
  expect(await keyring.unwrap(before.wrapped, "directory")).toEqual(dataKey);
  vault.retireBefore(2);
  expect(await keyring.unwrap(after.wrapped, "directory")).toEqual(dataKey);
  await expect(keyring.unwrap(before.wrapped, "directory")).rejects.toThrow(KeyringRefused);
});

test("the namespace goes along where one is set", async () => {
  await keyringWith({ namespace: "insurer/mail" }).presentMasterKey();
  expect(vault.namespace).toBe("insurer/mail");
});

test.each([412, 429, 503, "nonsense", "silence"] as const)(
  "while Vault answers with %s it is unavailable within five seconds, and heals by itself",
  async (trouble) => {
    const keyring = keyringWith();
    const { wrapped } = await keyring.wrap(dataKey, "directory");
    vault.trouble = trouble;
    const started = performance.now();
    const failures = await Promise.all([keyring.wrap(dataKey, "directory"), keyring.unwrap(wrapped, "directory"), keyring.presentMasterKey()].map(failureOf));
    expect(performance.now() - started).toBeLessThan(5000);
    for (const failure of failures) {
      expect(failure).toBeInstanceOf(KeyringUnavailable);
      expect(failure).toMatchObject({ message: expect.stringMatching(/^Vault is not available for now \(\w+\)\.$/) });
    }
    vault.trouble = null;
    expect(await keyring.unwrap(wrapped, "directory")).toEqual(dataKey);
  },
);

test("an address that nobody listens on is unavailable", async () => {
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  expect(await failureOf(keyringWith({ address: nowhere }).wrap(dataKey, "directory"))).toBeInstanceOf(KeyringUnavailable);
});

test("another place that Vault points to is not followed, for the token would go there", async () => {
  vault.trouble = 302;
  await expect(keyringWith().presentMasterKey()).rejects.toThrow(KeyringRefused);
  expect(vault.asked).toEqual(["GET /v1/transit/keys/mailbox"]);
});

test("a token that Vault does not take and a key that it does not have are refusals, and no message shows the token", async () => {
  expect(await keyringWith().presentMasterKey()).toBe("transit/mailbox:v1");
  const denied = await failureOf(keyringWith({ token: "hvs.wrong" }).wrap(dataKey, "directory"));
  expect(denied).toEqual(new KeyringRefused("Vault refused encrypt with the key transit/mailbox (403).", "403"));
  expect(await failureOf(keyringWith({ key: "other" }).unwrap(Buffer.from("vault:v1:AAAA"), "directory"))).toBeInstanceOf(KeyringRefused);
});

describe("a token file", () => {
  test("is read anew, so that what an agent has renewed is used from then on", async () => {
    const tokenFile = path.join(folder, "token");
    await writeFile(tokenFile, `${token}\n`);
    const keyring = keyringWith({ token: "", tokenFile });
    expect(await keyring.presentMasterKey()).toBe("transit/mailbox:v1");
    vault.tokens.clear();
    expect(await failureOf(keyring.presentMasterKey())).toMatchObject({ code: "403" });
    vault.tokens.add("hvs.renewed");
    await writeFile(tokenFile, "hvs.renewed");
    expect(await keyring.presentMasterKey()).toBe("transit/mailbox:v1");
  });

  test("that an agent renews while a request is on its way is read again before the refusal counts", async () => {
    const tokenFile = path.join(folder, "token");
    await writeFile(tokenFile, token);
    vault.meanwhile = async () => {
      vault.tokens.clear();
      vault.tokens.add("hvs.renewed");
      await writeFile(tokenFile, "hvs.renewed");
    };
    expect(await keyringWith({ token: "", tokenFile }).presentMasterKey()).toBe("transit/mailbox:v1");
    expect(vault.asked).toHaveLength(2);
  });

  test("that is absent or holds no token is refused, without what it holds", async () => {
    const tokenFile = path.join(folder, "token");
    const keyring = keyringWith({ token: "", tokenFile });
    expect(await failureOf(keyring.presentMasterKey())).toEqual(new KeyringRefused("The file of VAULT_TOKEN_FILE cannot be read (ENOENT).", "TOKEN_FILE"));
    await writeFile(tokenFile, "two\nlines");
    expect(await failureOf(keyring.presentMasterKey())).toEqual(new KeyringRefused("The file of VAULT_TOKEN_FILE holds no token.", "TOKEN_FILE"));
    expect(vault.asked).toEqual([]);
  });
});

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => null,
    (failure: unknown) => failure,
  );
}
