import { createDecipheriv, createHmac, randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { DataKey, type DataKeyId, KeyDestroyed, Opener, referenceIn, SealBroken, type SealedBy } from "../../src/vault/seal.ts";

interface Vector extends SealedBy {
  readonly dataKey: string;
  readonly keyId: DataKeyId;
  readonly sealed: string;
  readonly value: unknown;
}

const page = readFileSync(path.join(import.meta.dirname, "..", "..", "docs", "sealing.md"), "utf8");
const vectors: Vector[] = JSON.parse(/```json\n([^`]*"keyId"[^`]*)```/.exec(page)?.[1] ?? "[]");

const by: SealedBy = { id: randomUUID(), field: "header" };
const secret = randomBytes(32);
const ids: DataKeyId[] = ["day/2026-03-02", `hold/${randomUUID()}`, "directory"];

test("the documentation has vectors of every kind of key", () => {
  expect(new Set(vectors.map(({ keyId }) => keyId.split("/")[0]))).toEqual(new Set(["day", "hold", "directory"]));
});

test.each(vectors)("the vector of $field under $keyId opens", ({ dataKey, keyId, sealed, value, ...by }) => {
  const bytes = Buffer.from(sealed, "hex");
  const key = new DataKey(keyId, Buffer.from(dataKey, "hex"));
  expect(key.open(by, bytes)).toEqual(value);
  expect(new Opener(new Map([[referenceIn(bytes), key]])).open(by, bytes)).toEqual(value);
});

test.each(vectors)("the vector of $field under $keyId opens by the documented steps, without our code", ({ dataKey, sealed, value, id, field }) => {
  const bytes = Buffer.from(sealed, "hex");
  const head = bytes.subarray(0, 2 + ([0, 4, 16, 0][bytes.readUInt8(1)] ?? 0));
  const uuid = Buffer.from(id.replaceAll("-", ""), "hex");
  const info = Buffer.concat([Buffer.from(field), ["body", "draft"].includes(field) ? uuid : Buffer.alloc(0), Buffer.of(1)]);
  const key = createHmac("sha256", Buffer.from(dataKey, "hex")).update(info).digest();
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(head.length, head.length + 12));
  decipher.setAAD(Buffer.concat([head, Buffer.from(field), Buffer.of(0), uuid])).setAuthTag(bytes.subarray(-16));
  const plain = Buffer.concat([decipher.update(bytes.subarray(head.length + 12, -16)), decipher.final()]);
  expect(JSON.parse(plain.toString())).toEqual(value);
});

describe.each(ids)("under %s", (id) => {
  const key = new DataKey(id, secret);

  test("a value comes back whole, and is never sealed the same twice", () => {
    for (const value of [{ subject: "", n: 1, list: [null, "ü"] }, "words", null, 0, [], "x".repeat(100_000)]) {
      const sealed = key.seal(by, value);
      expect(key.open(by, sealed)).toEqual(value);
      expect(key.seal(by, value).equals(sealed)).toBe(false);
    }
  });

  test("every changed byte is found, and every cut", () => {
    const sealed = key.seal(by, { subject: "Your claim" });
    for (let n = 0; n < sealed.length; n += 1) {
      const changed = Buffer.from(sealed);
      changed[n] = (changed[n] ?? 0) ^ 1;
      expect(() => new Opener(new Map([[key.reference.toString("latin1"), key]])).open(by, changed)).toThrow(
        n < key.reference.length ? /destroyed|damaged/ : SealBroken,
      );
      expect(() => key.open(by, sealed.subarray(0, n))).toThrow(SealBroken);
    }
  });

  test("it opens as nothing else, nowhere else and under no other key", () => {
    const sealed = key.seal(by, "words");
    expect(() => key.open({ ...by, id: randomUUID() }, sealed)).toThrow(SealBroken);
    for (const field of ["body", "draft", "file", "name"] as const) expect(() => key.open({ ...by, field }, sealed)).toThrow(SealBroken);
    expect(() => new DataKey(id, randomBytes(32)).open(by, sealed)).toThrow(SealBroken);
  });
});

test("a value whose key is not at hand is gone", () => {
  const sealed = new DataKey("day/2026-03-02", secret).seal(by, "words");
  expect(() => new Opener(new Map()).open(by, sealed)).toThrow(KeyDestroyed);
});
