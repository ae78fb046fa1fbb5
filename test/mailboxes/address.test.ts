import "reflect-metadata";
import { isEmployeeAddress, parseAddress, parseAddresses } from "../../src/mailboxes/address.ts";
import { whyNotWrite } from "../../src/mailboxes/mailbox-policy.ts";
import { HolderRole } from "../../src/mailboxes/mailbox-holder.ts";
import { type Problem, Refusal } from "../../src/problem.ts";

const organisation = { name: "Example Health", domains: ["insurer.example", "plan-k.example", "xn--mnchen-3ya.example"] };

const OURS = "an employee's or a team's";
const OTHERS = "somebody else's";
const NOBODYS = "refused";

describe("an address is", () => {
  const local64 = "x".repeat(64);
  const label63 = "d".repeat(63);
  const bytes254 = `${local64}@${`${"d".repeat(61)}.`.repeat(3)}xyz`;

  test.each<[what: string, written: string, whose: typeof OURS | typeof OTHERS | typeof NOBODYS, parsed: string | null]>([
    ["plain", "ann@insurer.example", OURS, "ann@insurer.example"],
    ["of somebody else", "ann@mail.example", OTHERS, "ann@mail.example"],
    ["in upper case", "Ann.LEE@INSURER.Example", OURS, "ann.lee@insurer.example"],
    ["with spaces around it", "  ann@insurer.example ", OURS, "ann@insurer.example"],
    ["with a line end after it", "ann@insurer.example\r\n", OURS, "ann@insurer.example"],
    ["with a tag and an apostrophe", "o'hara+claims@insurer.example", OURS, "o'hara+claims@insurer.example"],
    ["in angle brackets", "<ann@insurer.example>", OURS, "ann@insurer.example"],
    ["with a name", "Ann Lee <ann@insurer.example>", OURS, "ann@insurer.example"],
    ["with a quoted name", '"Lee, Ann (Claims)" <ann@insurer.example>', OURS, "ann@insurer.example"],
    ["with a comma in its name", "Lee, Ann <ann@insurer.example>", OURS, "ann@insurer.example"],
    ["with a quoted pair in its name", '"Ann \\"A\\" Lee" <ann@insurer.example>', OURS, "ann@insurer.example"],

    ["below our domain", "ann@claims.insurer.example", OTHERS, "ann@claims.insurer.example"],
    ["above our domain", "ann@example.example", OTHERS, "ann@example.example"],
    ["at our domain with more behind", "ann@insurer.example.evil.example", OTHERS, "ann@insurer.example.evil.example"],
    ["at our domain with more before", "ann@myinsurer.example", OTHERS, "ann@myinsurer.example"],
    ["with our domain as its name", "insurer.example@evil.example", OTHERS, "insurer.example@evil.example"],
    ["with ours as its display name", '"ann@insurer.example" <mallory@evil.example>', OTHERS, "mallory@evil.example"],
    ["with ours as an unquoted display name", "ann@insurer.example <mallory@evil.example>", NOBODYS, null],
    ["with ours in a comment", "mallory@evil.example (ann@insurer.example)", NOBODYS, null],
    ["with another's in a comment", "ann@insurer.example (mallory@evil.example)", NOBODYS, null],
    ["with a comment in its domain", "ann@(evil.example)insurer.example", NOBODYS, null],
    ["with a UUCP path", "evil.example!ann@insurer.example", OURS, "evil.example!ann@insurer.example"],

    ["two in one", "mallory@evil.example, ann@insurer.example", NOBODYS, null],
    ["two in one, bracketed", "<ann@insurer.example> <mallory@evil.example>", NOBODYS, null],
    ["two with a semicolon", "ann@insurer.example;mallory@evil.example", NOBODYS, null],
    ["a group", "Team: ann@insurer.example;", NOBODYS, null],
    ["a mailto link", "mailto:ann@insurer.example", NOBODYS, null],
    ["with two at signs", "mallory@evil.example@insurer.example", NOBODYS, null],
    ["with a source route", "<@evil.example:ann@insurer.example>", NOBODYS, null],
    ["with a spaced source route", "< @evil.example,@more.example:ann@insurer.example>", NOBODYS, null],
    ["with a percent hack", "mallory%evil.example@insurer.example", NOBODYS, null],
    ["quoted", '"ann"@insurer.example', NOBODYS, null],
    ["quoted with a space", '"ann lee"@insurer.example', NOBODYS, null],
    ["quoted with an address", '"mallory@evil.example"@insurer.example', NOBODYS, null],
    ["quoted with an escape", '"ann\\"@evil.example"@insurer.example', NOBODYS, null],
    ["with a comment in its local part", "ann(x)@insurer.example", NOBODYS, null],
    ["with a backslash", "ann\\@insurer.example", NOBODYS, null],
    ["with a trailing dot", "ann@insurer.example.", NOBODYS, null],
    ["with a dot too many", "ann@insurer..example", NOBODYS, null],
    ["with a leading dot", ".ann@insurer.example", NOBODYS, null],
    ["with a dot before the at sign", "ann.@insurer.example", NOBODYS, null],
    ["with two dots in its local part", "ann..lee@insurer.example", NOBODYS, null],
    ["with a space inside", "ann lee@insurer.example", NOBODYS, null],
    ["with an underscore in its domain", "ann@in_surer.example", NOBODYS, null],
    ["with a hyphen before a label", "ann@-insurer.example", NOBODYS, null],
    ["with a hyphen after a label", "ann@insurer-.example", NOBODYS, null],
    ["with a port", "ann@insurer.example:25", NOBODYS, null],
    ["with a path", "ann@insurer.example/evil.example", NOBODYS, null],
    ["with a percent-encoded dot", "ann@insurer%2eexample", NOBODYS, null],
    ["with a path behind letters of its own", "ann@bücher.bücher/evil", NOBODYS, null],
    ["with a space in its domain", "ann@insurer . example", NOBODYS, null],
    ["with a fragment", "ann@insurer.example#evil.example", NOBODYS, null],
    ["at a literal", "ann@[127.0.0.1]", NOBODYS, null],
    ["at a number", "ann@127.0.0.1", NOBODYS, null],
    ["at a single label", "ann@localhost", NOBODYS, null],
    ["with an unclosed bracket", "<ann@insurer.example", NOBODYS, null],
    ["with an unopened bracket", "ann@insurer.example>", NOBODYS, null],
    ["without a local part", "@insurer.example", NOBODYS, null],
    ["without a domain", "ann@", NOBODYS, null],
    ["a word", "ann", NOBODYS, null],
    ["empty", "", NOBODYS, null],
    ["a space", " ", NOBODYS, null],

    ["at an internationalised domain", "ann@bücher.example", OTHERS, "ann@xn--bcher-kva.example"],
    ["at an internationalised domain of ours", "ann@MÜNCHEN.example", OURS, "ann@xn--mnchen-3ya.example"],
    ["at ours in A-labels", "ann@xn--mnchen-3ya.example", OURS, "ann@xn--mnchen-3ya.example"],
    ["at ours with a combining accent", "ann@mu\u0308nchen.example", OURS, "ann@xn--mnchen-3ya.example"],
    ["with a Cyrillic letter", "ann@\u0456nsurer.example", OTHERS, "ann@xn--nsurer-ovf.example"],
    ["in mixed scripts", "ann@\u0456nsur\u0435r.exampl\u0435", OTHERS, "ann@xn--nsurr-2we0u.xn--exampl-8of"],
    ["with a dotless i", "ann@\u0131nsurer.example", OTHERS, "ann@xn--nsurer-o9a.example"],
    ["with a dotted capital I", "ann@\u0130nsurer.example", OTHERS, "ann@xn--insurer-6he.example"],
    ["with a Greek letter", "ann@insurer.\u03b5xample", OTHERS, "ann@insurer.xn--xample-hye"],
    ["with full-width letters", "ann@\uff49\uff4e\uff53\uff55\uff52\uff45\uff52.example", NOBODYS, null],
    ["with a mathematical letter", "ann@\u{1d422}nsurer.example", NOBODYS, null],
    ["with a Kelvin sign", "ann@plan-\u212a.example", NOBODYS, null],
    ["with a long s", "ann@in\u017furer.example", NOBODYS, null],
    ["with an ideographic full stop", "ann@insurer\u3002example", NOBODYS, null],
    ["with an ideographic full stop after letters of its own", "ann@m\u00fcnchen\u3002example", NOBODYS, null],
    ["with a full-width full stop", "ann@insurer\uff0eexample", NOBODYS, null],
    ["with a full-width at sign", "ann\uff20insurer.example", NOBODYS, null],
    ["with a zero-width space", "ann@insu\u200brer.example", NOBODYS, null],
    ["with a zero-width joiner", "ann@insu\u200drer.example", NOBODYS, null],
    ["with a soft hyphen", "ann@insu\u00adrer.example", NOBODYS, null],
    ["with a byte order mark inside", "ann@insu\ufeffrer.example", NOBODYS, null],
    ["with a no-break space", "ann@insu\u00a0rer.example", NOBODYS, null],
    ["with a full-width letter beside an internationalised label", "ann@münchen.ex\uff41mple", NOBODYS, null],
    ["with a bidi override", "ann@insurer.example\u202e", NOBODYS, null],
    ["with a bidi override before it", "\u202eann@insurer.example", NOBODYS, null],
    ["with an umlaut in its local part", "änn@insurer.example", NOBODYS, null],
    ["with a Kelvin sign in its local part", "\u212aate@insurer.example", NOBODYS, null],
    ["with a zero-width space in its local part", "an\u200bn@insurer.example", NOBODYS, null],
    ["with a full-width local part", "\uff41nn@insurer.example", NOBODYS, null],

    ["with NUL", "ann\0@insurer.example", NOBODYS, null],
    ["with NUL at its end", "ann@insurer.example\0", NOBODYS, null],
    ["with BEL", "ann\u0007@insurer.example", NOBODYS, null],
    ["with DEL", "ann@insurer.example\u007f", NOBODYS, null],
    ["with a C1 control", "ann@insurer.example\u0085x", NOBODYS, null],
    ["with a folded line", "ann\r\n @insurer.example", NOBODYS, null],
    ["with a tab", "ann\t@insurer.example", NOBODYS, null],
    ["with a header behind it", "ann@insurer.example\r\nBcc: mallory@evil.example", NOBODYS, null],
    ["with a header in its name", '"Ann\r\nBcc: mallory@evil.example" <ann@insurer.example>', NOBODYS, null],
    ["with control characters in quotes", '"an\r\nn"@insurer.example', NOBODYS, null],

    ["with a local part of 64", `${local64}@insurer.example`, OURS, `${local64}@insurer.example`],
    ["with a local part of 65", `${local64}x@insurer.example`, NOBODYS, null],
    ["with a label of 63", `ann@${label63}.example`, OTHERS, `ann@${label63}.example`],
    ["with a label of 64", `ann@${label63}d.example`, NOBODYS, null],
    ["of 254 bytes", bytes254, OTHERS, bytes254],
    ["of 255 bytes", `${bytes254}z`, NOBODYS, null],
    ["with a long name", `${"x".repeat(900)} <ann@insurer.example>`, OURS, "ann@insurer.example"],
    ["with an endless name", `${"x".repeat(1000)} <ann@insurer.example>`, NOBODYS, null],
  ])("%s: %j is %s", (_what, written, whose, address) => {
    const parsed = parseAddress(written);
    expect(parsed).toBe(address);
    expect(parsed === null ? NOBODYS : isEmployeeAddress(parsed, organisation) ? OURS : OTHERS).toBe(whose);
  });
});

test("whatever is taken is lower-case ASCII of at most 254 bytes, and reads as itself", () => {
  for (const written of ["Ann <ANN@BÜCHER.Example>", `${"x".repeat(64)}@INSURER.example`, "a!#$&'*+/=?^_`{|}~-z@insurer.example"]) {
    const parsed = parseAddress(written) ?? "";
    expect(parsed).toMatch(/^[!-~]{3,254}$/);
    expect(parsed).toBe(parsed.toLowerCase());
    expect(parseAddress(parsed)).toBe(parsed);
  }
});

test("a list keeps its order, has each address once, and is refused whole with every wrong one named", () => {
  expect(parseAddresses(["B@mail.example", "a@mail.example", "Bee <b@MAIL.example>"], 3, "to")).toEqual(["b@mail.example", "a@mail.example"]);
  expect(parseAddresses([], 3, "to")).toEqual([]);
  expect(problemOf(() => parseAddresses(["a@mail.example", "wrong", `${"x".repeat(300)}@`], 3, "cc"))).toMatchObject({
    code: "INVALID_ADDRESS",
    field: "cc",
    addresses: ["wrong", "x".repeat(254)],
  });
});

test("a list longer than it may be is refused before it is read", () => {
  expect(problemOf(() => parseAddresses(["wrong", "wrong", "wrong", "wrong"], 3, "to"))).toMatchObject({ code: "LIMIT_EXCEEDED", field: "to", limit: 3 });
});

test.each([
  ["brackets", "(".repeat(1000)],
  ["comments", "(a) ".repeat(250)],
  ["one comment", `(${"a".repeat(999)}`],
  ["words", `${"a ".repeat(490)}<a@b.example>`],
  ["quoted pairs", `"${"\\a".repeat(490)}" <a@b.example>`],
  ["quoted words", `${'"a" '.repeat(240)}<a@b.example>`],
  ["dots", `${"a.".repeat(490)}a@b.example`],
  ["labels", `a@${"a.".repeat(490)}example`],
  ["at signs", "@a".repeat(500)],
  ["a name that never ends", `"${"a".repeat(999)}`],
])("%s cannot make the parser work for long", (_what, written) => {
  const start = performance.now();
  for (let n = 0; n < 20; n += 1) parseAddress(written);
  expect(performance.now() - start).toBeLessThan(1000);
});

test.each<[HolderRole, string | null]>([
  [HolderRole.OWNER, null],
  [HolderRole.WRITER, null],
  [HolderRole.READER, "MAILBOX_READ_ONLY"],
])("writing from a mailbox as its %s: %s", (role, code) => {
  expect(whyNotWrite(role)?.code ?? null).toBe(code);
});

function problemOf(work: () => unknown): Problem {
  try {
    work();
  } catch (error) {
    if (error instanceof Refusal) return error.problem;
    throw error;
  }
  throw new Error("Nothing was refused");
}
