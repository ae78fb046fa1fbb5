import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyReply } from "fastify";
import { simpleParser } from "mailparser";
import { createCtx, type Services } from "../context.ts";
import { demoMail, type DemoMail, demoMails, MOST_DEMO_MAILS } from "../mailer/demo-mails.ts";
import { escapeHtml } from "../mailer/layout.ts";
import { ProblemCode, refuse } from "../problem.ts";

const REFRESH_SECONDS = 3;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The demo's mail at `/demo/mail`: what would have been sent, newest first, and each mail as its reader would see it. Only where
 * the demo has nowhere to send it; these pages ask nobody who they are.
 */
export async function demoMailPages(app: FastifyInstance, services: Services): Promise<void> {
  const ctx = createCtx(services);
  const { name } = services.config.organisation;
  const find = async (id: string) => (UUID.test(id) ? await demoMail(ctx, id) : null) ?? refuse(ProblemCode.NOT_FOUND, "There is no such mail.");
  const html = (reply: FastifyReply, text: string) => reply.type("text/html; charset=utf-8").send(text);
  await app.register(async (pages) => {
    pages.addHook("onRequest", async (_request, reply) => {
      reply.headers(pageHeaders);
    });
    pages.get("/demo/mail", async (_request, reply) => html(reply, listPage(name, await demoMails(ctx))));
    pages.get("/demo/mail/", async (_request, reply) => reply.redirect("/demo/mail", 308));
    pages.get<{ Params: { id: string } }>("/demo/mail/:id", async ({ params }, reply) => {
      const mail = await find(params.id);
      return html(reply, mailPage(name, mail, await simpleParser(mail.raw)));
    });
    pages.get<{ Params: { id: string } }>("/demo/mail/:id/html", async ({ params }, reply) => {
      const mail = await simpleParser((await find(params.id)).raw);
      reply.header("content-security-policy", mailPolicy);
      // Its links open beside the frame, which is locked
      return html(reply, (mail.html || "").replace("<head>", '<head><base target="_blank">'));
    });
  });
}

function listPage(organisation: string, mails: readonly DemoMail[]): string {
  const rows = mails.map(
    ({ id, address, subject, sentAt }) =>
      `<tr><td>${time(sentAt)}</td><td>${escapeHtml(address)}</td><th scope="row"><a href="/demo/mail/${id}">${escapeHtml(subject)}</a></th></tr>`,
  );
  const table = `<table>
<thead><tr><th scope="col">Sent (UTC)</th><th scope="col">To</th><th scope="col">Subject</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>`;
  return page({
    title: `Mail of the demo, ${organisation}`,
    head: `<meta http-equiv="refresh" content="${REFRESH_SECONDS}">`,
    main: `<h1>Mail of the demo</h1>
<p>All ordinary mail that ${escapeHtml(organisation)} would have sent, newest first; the last ${MOST_DEMO_MAILS} are kept. Nothing leaves this machine until <code>SMTP_URL</code> is set. This page renews itself.</p>
${mails.length === 0 ? '<p>No mail yet. Send a message in the <a href="/playground/">playground</a>: its recipients are told by mail.</p>' : table}`,
  });
}

function mailPage(organisation: string, mail: DemoMail & { readonly raw: Buffer }, { text }: { text?: string | undefined }): string {
  const raw = mail.raw.toString("utf8");
  const headers = raw.slice(0, raw.search(/\r?\n\r?\n/));
  return page({
    title: `${mail.subject}, ${organisation}`,
    head: "",
    main: `<p><a href="/demo/mail">All mail</a></p>
<h1>${escapeHtml(mail.subject)}</h1>
<p>To ${escapeHtml(mail.address)}, ${time(mail.sentAt)} UTC</p>
<h2>As HTML</h2>
<iframe title="The mail as HTML" src="/demo/mail/${mail.id}/html" sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>
<h2>As text</h2>
<pre>${escapeHtml(text ?? "")}</pre>
<h2>Headers</h2>
<pre>${escapeHtml(headers)}</pre>`,
  });
}

function page({ title, head, main }: { title: string; head: string; main: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${head}
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${main}
</main>
</body>
</html>
`;
}

function time(instant: Date): string {
  const text = instant.toISOString();
  return `<time datetime="${text}">${text.slice(0, 19).replace("T", " ")}</time>`;
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .5rem .75rem .5rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #8a8a8a; font-weight: normal; overflow-wrap: anywhere; }
thead th { font-weight: 600; } td:first-child { white-space: nowrap; }
iframe { width: 100%; height: 44rem; border: 1px solid #8a8a8a; border-radius: 6px; }
pre { margin: 0; padding: 1rem; border: 1px solid #8a8a8a; border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere; }
`;

const pageHeaders = {
  "cache-control": "no-store",
  "content-security-policy": [
    "default-src 'none'",
    `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`,
    "frame-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; "),
  "cross-origin-opener-policy": "same-origin",
};

/** For the mail itself: it runs nothing and fetches nothing, also when it is opened by itself. */
const mailPolicy = [
  "sandbox allow-popups allow-popups-to-escape-sandbox",
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  "img-src data:",
  "frame-ancestors 'self'",
].join("; ");
