import { Language } from "../../src/mailer/language.ts";
import { layOut, type LayoutOptions } from "../../src/mailer/layout.ts";
import type { MailText } from "../../src/mailer/mail-text.ts";

const mail: MailText = {
  subject: "A secure message for you",
  paragraphs: ["A message waits.", "It waits for 180 days."],
  code: "483920",
  link: { label: "Open the mailbox", url: "https://mail.insurer.example/?notice=abc&x=1" },
  reference: "K7QF-29TM",
};

const options: LayoutOptions = {
  language: Language.EN,
  brand: { organisation: "Example Health", publicUrl: "https://mail.insurer.example", colour: "#1f5fa8", supportContact: "0800 123 456" },
  phrase: "blue tram in March",
  hasLogo: false,
};

test.each<[Language, string[]]>([
  [
    Language.EN,
    [
      "Your phrase, so that you know this is from us: “blue tram in March”",
      "A message waits.",
      "It waits for 180 days.",
      "Your code",
      "483920",
      "Open the mailbox",
      "You need not trust a link in any mail: type our address yourself: https://mail.insurer.example",
      "Reference: K7QF-29TM. At https://mail.insurer.example anybody can check whether a mail with this reference is from us.",
      "Questions? 0800 123 456",
      "Example Health sends this mail by machine. Nobody reads an answer to it.",
    ],
  ],
  [
    Language.ES,
    [
      "Su frase, para que sepa que este correo es nuestro: «blue tram in March»",
      "A message waits.",
      "It waits for 180 days.",
      "Su código",
      "483920",
      "Open the mailbox",
      "No hace falta que confíe en ningún enlace: escriba usted nuestra dirección: https://mail.insurer.example",
      "Referencia: K7QF-29TM. En https://mail.insurer.example cualquiera puede comprobar si un correo con esta referencia es nuestro.",
      "¿Preguntas? 0800 123 456",
      "Example Health envía este correo de forma automática. Nadie lee las respuestas.",
    ],
  ],
])("text and HTML say the same in the same order: %s", (language, sentences) => {
  const { text, html } = layOut(mail, { ...options, language });
  const words = html.replace(/<head>[\s\S]*<\/head>/, "").replace(/<[^>]+>/g, "\n");
  for (const version of [text, words]) {
    const places = sentences.map((sentence) => version.indexOf(sentence));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  }
  expect(text).toContain(mail.link?.url);
  expect(html).toContain(`<html lang="${language.toLowerCase()}">`);
});

test("what is not given leaves no trace", () => {
  const { text, html } = layOut({ subject: "Short", paragraphs: ["One."] }, { ...options, phrase: null, brand: { ...options.brand, supportContact: null } });
  for (const version of [text, html]) {
    for (const word of ["phrase", "Your code", "Reference", "Questions", "undefined", "null", "<a "]) expect(version).not.toContain(word);
    expect(version).toContain("type our address yourself: https://mail.insurer.example");
  }
});

test("nothing in a mail becomes HTML or an attribute, and nothing is fetched", () => {
  const evil = `"><script>alert(1)</script><img src=x onerror='x'>&`;
  const { text, html } = layOut(
    { subject: evil, paragraphs: [evil], code: evil, link: { label: evil, url: `https://mail.insurer.example/?a="><script>` }, reference: evil },
    { ...options, phrase: evil, hasLogo: true, brand: { ...options.brand, organisation: evil, supportContact: evil } },
  );
  expect(html).not.toMatch(/<script|<img src=x|onerror='/);
  expect(html.match(/<img/g)).toHaveLength(1);
  expect(html).not.toContain("url(");
  expect([...html.matchAll(/<[a-z]+ [^>]*?\b(?:src|href)="([^"]*)/g)].map(([, target]) => target)).toEqual([
    "cid:logo@mail",
    "https://mail.insurer.example/?a=&#34;&#62;&#60;script&#62;",
  ]);
  expect(text).toContain(evil);
});

test.each([
  ["#1f5fa8", "#ffffff"],
  ["#ffd400", "#000000"],
  ["#000000", "#ffffff"],
  ["#ffffff", "#000000"],
])("a button of the colour %s has words in %s", (colour, expected) => {
  const { html } = layOut(mail, { ...options, brand: { ...options.brand, colour } });
  expect(html).toContain(`background-color:${colour};color:${expected}`);
});

test("neither background nor colour is set for the whole, so that dark mail programs may have their own", () => {
  const { html } = layOut(mail, options);
  expect(html).toContain('<meta name="color-scheme" content="light dark">');
  expect(html.replace(/<a [^>]*>/g, "")).not.toMatch(/background|[^-]color:/);
});
