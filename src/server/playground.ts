import { join, sep } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";

/** An account that the demo's playground offers to sign in as. */
export interface PlaygroundAccount {
  readonly userId: string;
  readonly displayName: string;
  readonly kind: string;
  /** Address of the account's own mailbox; the examples write to it. */
  readonly address: string;
}

/** What the page learns from `GET /playground/config.json`. Only the demo's may hold accounts and their password. */
export type PlaygroundConfig =
  | {
      readonly demo: true;
      readonly organisation: string;
      readonly accounts: readonly PlaygroundAccount[];
      readonly password: string;
    }
  | { readonly demo: false; readonly organisation: string };

/**
 * Serves the built playground below `/playground/`: its files, its `config.json`, and headers that keep it to our own origin.
 * `directory` is Vite's output (`dist/playground`).
 */
export async function playground(app: FastifyInstance, options: { directory: string; config: PlaygroundConfig }): Promise<void> {
  const assets = join(options.directory, "assets") + sep;
  // In a context of its own, so that the headers stay on these pages however this function is called.
  await app.register(async (pages) => {
    pages.addHook("onRequest", async (_request, reply) => {
      reply.headers(pageHeaders);
    });
    for (const page of mailedPages) pages.get<{ Querystring: { notice?: unknown } }>(page, ({ query }, reply) => reply.redirect(fromMail(page, query.notice)));
    pages.get("/playground", (_request, reply) => reply.redirect("/playground/", 308));
    pages.get("/playground/config.json", (_request, reply) => reply.header("cache-control", "no-store").send(options.config));
    await pages.register(fastifyStatic, {
      root: options.directory,
      prefix: "/playground/",
      decorateReply: false,
      cacheControl: false,
      preCompressed: true,
      // Names below assets/ carry a hash of their content.
      setHeaders: (reply, path) => {
        reply.header("cache-control", path.startsWith(assets) ? "public, max-age=31536000, immutable" : "no-store");
      },
    });
  });
}

/** Where links of mails lead. Until the web mailbox has these pages, the playground opens the operation that goes on from each. */
const mailedPages = ["/", "/validate", "/reset-password", "/confirm-address", "/welcome"];

/** A token behind the `#` goes along by itself: browsers keep it over a redirect, and no server gets to see it. */
function fromMail(page: string, notice: unknown): string {
  return `/playground/?${new URLSearchParams({ page, ...(typeof notice === "string" && { notice }) }).toString()}`;
}

const pageHeaders = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    "connect-src 'self'", // covers our own ws: and wss: too (CSP level 3)
    "img-src 'self' data:",
    "font-src 'self'",
    // Monaco makes its colours and line positions as <style> elements and style attributes by script and takes no nonce: without
    // 'unsafe-inline' the editors are black on white and lose lines.
    "style-src 'self' 'unsafe-inline'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};
