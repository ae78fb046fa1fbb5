import { convert } from "html-to-text";
import { indexPage, indexRow } from "../../src/exports/export-index.ts";
import { START, startTestApp } from "../support/app.ts";
import { downloaded, madeExport, messagesIn, unzipped } from "../support/exports.ts";
import { deliver } from "../support/mail.ts";
import { employee, member } from "../support/people.ts";

test("the index says of each message when, from whom, to whom, about what and with which files, and leads to it", async () => {
  const app = await startTestApp();
  try {
    const erin = await employee(app, "erin");
    const maria = await member(app, "maria");
    const subject = `<script>alert("1")</script> & 'more' % # ? مرحبا`;
    await deliver(erin, maria, { subject, attachmentIds: [await erin.client.uploaded("Bescheid & <b>.txt", "words")] });
    const files = await unzipped(await downloaded(maria, await madeExport(app, maria, { mailboxId: maria.mailboxId })));
    const html = files.get("index.html")?.bytes.toString() ?? "";
    expect(html).not.toMatch(/<script|<b>|<img|\son\w+=|https?:|url\(|@import/i);
    expect(unbalancedTags(html)).toEqual([]);
    const text = convert(html, { wordwrap: false, selectors: [{ selector: "a", options: { ignoreHref: true } }] });
    for (const fact of [
      subject,
      "Test erin <erin@insurer.example>",
      "Test maria <maria@mail.example>",
      "Bescheid & b.txt 5 bytes",
      "2026-03-02 09:00",
      "Example Health",
      "1 message, oldest first",
    ])
      expect(text).toContain(fact);
    const links = [...html.matchAll(/<a href="([^"]*)"/g)].map(([, href]) => decodeURIComponent((href ?? "").replaceAll("&#39;", "'")));
    expect(links).toEqual(messagesIn(files).map(([name]) => name));
  } finally {
    await app.close();
  }
});

test("it can be read by a screen reader and printed: a language, a title, a caption, heads of rows and columns that are repeated on each page", () => {
  const html = [...indexPage(`A & B "Health"`, START, [])].join("");
  for (const part of [
    '<html lang="en">',
    "<title>",
    "<caption>0 messages",
    '<th scope="col">Subject',
    "@media print",
    "table-header-group",
    "break-inside: avoid",
    "A &#38; B &#34;Health&#34;",
  ])
    expect(html).toContain(part);
  expect(html).toMatch(/^<!doctype html>/);
  expect(unbalancedTags(html)).toEqual([]);
});

test("a file that was left out is named as such", () => {
  const person = { displayName: "new@mail.example", address: "new@mail.example" };
  const row = indexRow({
    path: "messages/x.eml",
    sentAt: START,
    from: person,
    to: [person],
    subject: "",
    files: [
      { fileName: "a.zip", size: 2_000_000, isIncluded: true },
      { fileName: "b.zip", size: 3000, isIncluded: false },
    ],
  });
  const text = convert(row, { wordwrap: false });
  expect(text).toContain("a.zip 1.9 MB");
  expect(text).toContain("b.zip left out");
  expect(text).toContain("(no subject)");
  expect(text).not.toContain("<new@mail.example>");
  expect(row).toContain('<th scope="row">');
});

/** Tags that are opened and not closed, or the other way round. */
function unbalancedTags(html: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, slash, name = ""] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/g)) {
    if (name === "meta") continue;
    if (!slash) open.push(name);
    else if (open.pop() !== name) wrong.push(name);
  }
  return [...wrong, ...open];
}
