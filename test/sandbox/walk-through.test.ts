import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { parse } from "graphql";
import { readFileSync } from "node:fs";
import path from "node:path";
import { settings } from "../../src/settings.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Client, type Subscription } from "../support/client.ts";

const page = readFileSync(path.join(import.meta.dirname, "..", "..", "docs", "sandbox.md"), "utf8");
const blocks = [...page.matchAll(/^```(graphql|json|json event)\n([^]*?)^```$/gm)].map(([, kind = "", text = ""]) => ({ kind, text }));
const password = settings.DEMO_PASSWORD.default;

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp({ config: { mode: "demo", demoPassword: password, parts: ["api", "worker"], sandbox: true } });
});

afterAll(() => app.close());

test("the walk in docs/sandbox.md goes as the page says, word by word", async () => {
  const clients = new Map<string, Client>();
  const known = new Map<string, string>();
  const filled = (text: string): string => text.replace(/<([^<>]+)>/g, (placeholder, name: string) => known.get(name) ?? placeholder);
  let answer: unknown;
  let following: Subscription<object> | null = null;
  try {
    for (const { kind, text } of blocks) {
      if (kind === "graphql") {
        const [, userId = ""] = /^# as (\S+)$/m.exec(text) ?? [];
        const client = clients.get(userId) ?? (await Client.signIn(app.url, userId, password));
        clients.set(userId, client);
        const query = filled(text);
        const document: TypedDocumentNode<object, Record<string, never>> = parse(query);
        if (query.includes("subscription {")) following = client.subscribe(document, {});
        else answer = await client.send(query);
      } else {
        if (kind === "json event") answer = { data: await following?.next() };
        learn(JSON.parse(text), answer, known);
        expect(answer).toMatchObject(JSON.parse(filled(text)));
      }
    }
  } finally {
    await following?.close();
  }
  expect(clients.size).toBe(3);
  expect(blocks.filter(({ kind }) => kind === "json event")).toHaveLength(1);
});

/** Takes down, under its name, what an answer has where the page has a `<name>` for the first time. */
function learn(expected: unknown, answer: unknown, known: Map<string, string>): void {
  if (typeof expected === "string" && typeof answer === "string") {
    const [, name] = /^<(.+)>$/.exec(expected) ?? [];
    if (name !== undefined && !known.has(name)) known.set(name, answer);
  } else if (typeof expected === "object" && expected !== null && typeof answer === "object" && answer !== null) {
    for (const [key, value] of Object.entries(expected)) learn(value, Reflect.get(answer, key), known);
  }
}
