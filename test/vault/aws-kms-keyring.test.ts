import { randomBytes } from "node:crypto";
import { AwsKmsKeyring } from "../../src/vault/aws-kms-keyring.ts";
import { KeyringRefused, KeyringUnavailable } from "../../src/vault/keyring.ts";
import { freePort } from "../support/free-port.ts";
import { type Kms, startKms } from "../support/kms.ts";

// The real client of AWS, against an endpoint of this machine that speaks the protocol: the service cannot run here.
const dataKey = randomBytes(32);
const alias = "alias/mailbox";
const environment = process.env;
let kms: Kms;
let arn: string;

beforeEach(async () => {
  kms = await startKms();
  arn = kms.makeKey();
  kms.aliases.set(alias, arn);
  process.env = {
    ...environment,
    AWS_ENDPOINT_URL_KMS: kms.url,
    AWS_REGION: "eu-central-1",
    AWS_ACCESS_KEY_ID: "test-access-key",
    AWS_SECRET_ACCESS_KEY: "test-secret-key",
    AWS_EC2_METADATA_DISABLED: "true",
  };
});

afterEach(async () => {
  process.env = environment;
  await kms.close();
});

test("a data key comes back as it was, and the master key is the one behind the alias", async () => {
  const keyring = new AwsKmsKeyring(alias);
  const { wrapped, masterKeyId } = await keyring.wrap(dataKey, "day/2026-03-02");
  expect(masterKeyId).toBe(arn);
  expect(await keyring.presentMasterKey()).toBe(arn);
  expect(wrapped.includes(dataKey)).toBe(false);
  expect(await keyring.unwrap(wrapped, "day/2026-03-02")).toEqual(dataKey);
  expect(kms.asked).toEqual(["Encrypt", "Encrypt", "Decrypt"]);
});

test("a data key opens under its own context and unchanged, and else KMS refuses", async () => {
  const keyring = new AwsKmsKeyring(arn);
  const { wrapped } = await keyring.wrap(dataKey, "day/2026-03-02");
  expect(await keyring.unwrap(wrapped, "day/2026-03-02")).toEqual(dataKey);
  const refusal = new KeyringRefused("AWS KMS refused Decrypt (InvalidCiphertextException).", "InvalidCiphertextException");
  await expect(keyring.unwrap(wrapped, "day/2026-03-03")).rejects.toThrow(refusal);
  await expect(keyring.unwrap(wrapped.subarray(1), "day/2026-03-02")).rejects.toThrow(refusal);
});

test("an alias that is pointed to another key rotates: that one wraps, both unwrap, until the old one is deleted", async () => {
  const keyring = new AwsKmsKeyring(alias);
  const before = await keyring.wrap(dataKey, "directory");
  const next = kms.makeKey();
  kms.aliases.set(alias, next);
  const after = await keyring.wrap(dataKey, "directory");
  expect([before.masterKeyId, after.masterKeyId, await keyring.presentMasterKey()]).toEqual([arn, next, next]);
  expect(await keyring.unwrap(before.wrapped, "directory")).toEqual(dataKey);
  kms.deleteKey(arn);
  expect(await keyring.unwrap(after.wrapped, "directory")).toEqual(dataKey);
  await expect(keyring.unwrap(before.wrapped, "directory")).rejects.toMatchObject({ name: "KeyringRefused", code: "NotFoundException" });
});

test.each(["ThrottlingException", "KMSInternalException", "silence"] as const)("after one %s the client tries again", async (trouble) => {
  kms.troubles.push(trouble);
  expect((await new AwsKmsKeyring(alias).wrap(dataKey, "directory")).masterKeyId).toBe(arn);
  expect(kms.asked).toEqual(["Encrypt", "Encrypt"]);
});

test.each([
  ["ThrottlingException", "ThrottlingException"],
  ["KMSInternalException", "KMSInternalException"],
  ["silence", "TimeoutError"],
] as const)("under lasting %s the keyring is unavailable within five seconds, and heals by itself", async (trouble, code) => {
  kms.troubles.push(trouble, trouble, trouble);
  const keyring = new AwsKmsKeyring(alias);
  const started = performance.now();
  const error: unknown = await keyring.wrap(dataKey, "directory").catch((failure: unknown) => failure);
  expect(error).toBeInstanceOf(KeyringUnavailable);
  expect(error).toMatchObject({ message: expect.stringMatching(/^AWS KMS is not available for now \(\w+\)\.$/) });
  if (trouble !== "silence") expect(error).toMatchObject({ code });
  expect(performance.now() - started).toBeLessThan(5000);
  kms.troubles.length = 0;
  expect((await keyring.wrap(dataKey, "directory")).masterKeyId).toBe(arn);
});

test("an endpoint that nobody listens on is unavailable", async () => {
  process.env.AWS_ENDPOINT_URL_KMS = `http://127.0.0.1:${await freePort()}`;
  const error: unknown = await new AwsKmsKeyring(alias).wrap(dataKey, "directory").catch((failure: unknown) => failure);
  expect(error).toBeInstanceOf(KeyringUnavailable);
});

test("no permission, no such key and no region are refusals, which asking again would not help", async () => {
  const keyring = new AwsKmsKeyring(alias);
  kms.troubles.push("AccessDeniedException");
  await expect(keyring.wrap(dataKey, "directory")).rejects.toThrow(new KeyringRefused("AWS KMS refused Encrypt (AccessDeniedException).", ""));
  await expect(new AwsKmsKeyring("alias/other").presentMasterKey()).rejects.toThrow(KeyringRefused);
  expect(kms.asked).toEqual(["Encrypt", "Encrypt"]);
  delete process.env.AWS_REGION;
  await expect(new AwsKmsKeyring(alias).presentMasterKey()).rejects.toThrow(
    new KeyringRefused("AWS_REGION is missing: AWS KMS cannot be asked without it.", ""),
  );
});
