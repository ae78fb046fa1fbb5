import { print } from "graphql";
import { ImportEmployeesDocument, type ImportEmployeesMutation } from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { readEmployeeCsv } from "../../src/people/read-employee-csv.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { mailsTo } from "../support/mails.ts";
import { createTeam, employee, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
let ada: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp();
  ada = await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR);
});

afterAll(() => app.close());

describe("a file of employees", () => {
  test("is tried without a trace, then imported once: the second time changes nothing", async () => {
    const csv =
      "address,display name,kind,language\nnina@insurer.example,Nina Roth,EMPLOYEE,ES\notto@insurer.example,Otto,administrator,\nada@insurer.example,Not Ada,,\n";
    const before = await everything();
    const tried = { isApplied: false, rowCount: 3, invitedCount: 2, unchangedCount: 1, badRowCount: 0, badRows: [] };
    expect(await importCsv(csv, { dryRun: true })).toEqual(tried);
    expect(await everything()).toEqual(before);

    const known = (await eventsOf(app)).length;
    expect(await importCsv(csv)).toEqual({ ...tried, isApplied: true });
    expect((await eventsOf(app)).slice(known).map(({ action, code }) => [action, code])).toEqual([
      ["invitation.sent", "EMPLOYEE"],
      ["invitation.sent", "ADMINISTRATOR"],
      ["employees.imported", "2/3"],
    ]);
    expect(
      await sql(app, "select address, kind, language, password_hash from accounts where address < 'p' and address <> 'ada@insurer.example' order by address"),
    ).toEqual([
      { address: "nina@insurer.example", kind: "EMPLOYEE", language: "ES", password_hash: null },
      { address: "otto@insurer.example", kind: "ADMINISTRATOR", language: "EN", password_hash: null },
    ]);
    for (const name of ["nina", "otto"]) expect(await mailsTo(app, `${name}@insurer.example`)).toMatchObject([{ kind: "invitation" }]);
    expect(await mailsTo(app, "ada@insurer.example")).toEqual([]);

    expect(await importCsv(csv)).toEqual({ ...tried, isApplied: true, invitedCount: 0, unchangedCount: 3 });
    expect(await mailsTo(app, "nina@insurer.example")).toHaveLength(1);
  });

  test("is kept out whole by one bad row, unless bad rows are skipped; each has its line and its reason", async () => {
    await createTeam(app, "claims", [ada]);
    const csv = [
      "address,display name,kind,language",
      "good-1@insurer.example,Good One,,", // 2
      "nonsense,Bad,,", // 3
      "x@insurer.example.evil.com,Bad,,", // 4
      "a@insurer.example,,,", // 5
      'b@insurer.example,"=HYPERLINK(""x"")",,', // 6
      "c@insurer.example,-1+1,,", // 7
      "d@insurer.example,D,MEMBER,", // 8
      "e@insurer.example,E,,FR", // 9
      "Good-1@INSURER.example,Again,,", // 10
      "claims@insurer.example,Team,,", // 11
      "f@insurer.example,F", // 12
      "g@insurer.example,G,,,,", // 13
      "", // 14
      'h@insurer.example,H"quote,,', // 15
      '"good-2@insurer.example","Good, ""Two""",EMPLOYEE,EN', // 16
      'i@insurer.example,"Two', // 17
      'lines",,', // 18
    ].join("\r\n");
    const badRows = [
      { line: 3, fault: "INVALID_ADDRESS" },
      { line: 4, fault: "FOREIGN_DOMAIN" },
      { line: 5, fault: "INVALID_NAME" },
      { line: 6, fault: "INVALID_NAME" },
      { line: 7, fault: "INVALID_NAME" },
      { line: 8, fault: "INVALID_KIND" },
      { line: 9, fault: "INVALID_LANGUAGE" },
      { line: 10, fault: "REPEATED" },
      { line: 11, fault: "TEAM_ADDRESS" },
      { line: 12, fault: "WRONG_COLUMNS" },
      { line: 13, fault: "WRONG_COLUMNS" },
      { line: 15, fault: "UNREADABLE" },
      { line: 18, fault: "INVALID_NAME" },
    ];
    const before = await everything();
    const report = { rowCount: 15, unchangedCount: 0, badRowCount: 13, badRows };
    expect(await importCsv(csv)).toEqual({ ...report, isApplied: false, invitedCount: 0 });
    expect(await everything()).toEqual(before);
    expect(await importCsv(csv, { dryRun: true, skipBadRows: true })).toEqual({ ...report, isApplied: false, invitedCount: 2 });
    expect(await everything()).toEqual(before);
    expect(await importCsv(csv, { skipBadRows: true })).toEqual({ ...report, isApplied: true, invitedCount: 2 });
    expect(await mailsTo(app, "good-2@insurer.example")).toHaveLength(1);
    expect(await sql(app, "select from accounts where address = 'claims@insurer.example'")).toEqual([]);
  });

  test("comes as a file, too, in UTF-8 with or without a mark, and at most 2 MB of it", async () => {
    expect(await importFile(Buffer.from("\ufeffaddress;display name\r\nfile@insurer.example;Zoë Müller\r\n"))).toMatchObject({
      isApplied: true,
      invitedCount: 1,
    });
    expect(await importFile(Buffer.from("address;display name\r\nlatin@insurer.example;Zo\xeb\r\n", "latin1"))).toMatchObject({
      code: "INVALID_INPUT",
      field: "file",
    });
    const tooLarge = Buffer.from(`address,display name\n${"#".repeat(2 * 1024 * 1024)}`);
    expect(await importFile(tooLarge)).toMatchObject({ code: "LIMIT_EXCEEDED", field: "csv", limit: 2 * 1024 * 1024 });
    expect(await importCsv(tooLarge.toString())).toMatchObject({ code: "LIMIT_EXCEEDED", field: "csv" });
    expect(await importFile(Buffer.from("address,display name\nother@insurer.example,Other"), await employee(app, "no-admin"))).toMatchObject({
      code: "FORBIDDEN",
    });
  });

  test("has an end: 10,000 rows are taken, one more is not", async () => {
    const rows = Array.from({ length: 10_000 }, (_, n) => `many-${n}@insurer.example,Number ${n}`);
    expect(await importCsv(["address,display name", ...rows].join("\n"), { dryRun: true })).toMatchObject({ rowCount: 10_000, invitedCount: 10_000 });
    expect(await importCsv(["address,display name", ...rows, "x@insurer.example,X"].join("\n"), { dryRun: true })).toMatchObject({
      code: "LIMIT_EXCEEDED",
      limit: 10_000,
    });
  });

  test("of two thousand is imported by two at once, and each gets one account, one mailbox and one mail", async () => {
    const rows = Array.from({ length: 2000 }, (_, n) => `bulk-${n}@insurer.example,Number ${n}`);
    const csv = ["address,display name", ...rows].join("\n");
    const start = performance.now();
    const answers = await Promise.all([importCsv(csv), importCsv(csv)]);
    process.stdout.write(`import of 2,000 employees, twice at once: ${Math.round(performance.now() - start)} ms\n`);
    expect(answers.reduce((sum, answer) => sum + ("invitedCount" in answer ? answer.invitedCount : NaN), 0)).toBe(2000);
    const count = async (text: string): Promise<unknown> => (await sql<{ n: number }>(app, text))[0]?.n;
    expect(await count("select count(*) as n from accounts where address like 'bulk-%'")).toBe(2000);
    expect(await count("select count(*) as n from mails where address like 'bulk-%'")).toBe(2000);
    expect(await count("select count(*) as n from mailboxes m join mailbox_holders h on h.mailbox_id = m.id where m.address like 'bulk-%'")).toBe(2000);
    expect(await count("select count(*) as n from invitations i join accounts a on a.id = i.account_id where a.address like 'bulk-%'")).toBe(2000);
  }, 60_000);
});

describe("reading a file", () => {
  const expected = [
    ["a@x", "Ann"],
    ["b@x", "Ben, B."],
  ];
  test.each([
    ["commas", 'address,display name\na@x,Ann\nb@x,"Ben, B."\n'],
    ["semicolons, CRLF and a byte order mark", "\ufeffaddress;display name\r\na@x;Ann\r\nb@x;Ben, B.\r\n"],
    ["tabs, old line ends and no last one", "Address\tDisplay_Name\ra@x\tAnn\rb@x\tBen, B."],
    ["quotes and spaces around everything", '"address" , "displayName"\n "a@x" , "Ann"\n"b@x","Ben, B."\n'],
    ["columns in another order and empty lines", '\ndisplay-name,ADDRESS\n\nAnn,a@x\n\n\n"Ben, B.",b@x\n\n'],
  ])("understands %s", (_what, csv) => {
    expect(readEmployeeCsv(csv).rows.map(({ address, displayName }) => [address, displayName])).toEqual(expected);
  });

  test.each([
    ["no columns", ""],
    ["no names of columns", "a@x,Ann\nb@x,Ben"],
    ["a column missing", "address,kind\na@x,EMPLOYEE"],
    ["an unknown column", "address,display name,role\na@x,Ann,BOSS"],
    ["a column twice", "address,address,display name\na@x,a@x,Ann"],
    ["a quotation mark that nothing closes", `address,display name\na@x,"Ann\n${"b@x,Ben\n".repeat(10)}`],
    ["such a mark in a long file", `address,display name\na@x,"Ann\n${"b@x,Ben\n".repeat(10_000)}`],
  ])("refuses %s", (_what, csv) => {
    expect(() => readEmployeeCsv(csv)).toThrow("INVALID_INPUT");
  });
});

async function importCsv(csv: string, { dryRun = false, skipBadRows = false, by = ada } = {}): Promise<ImportEmployeesMutation["importEmployees"]> {
  return (await by.client.run(ImportEmployeesDocument, { input: { csv, file: null, dryRun, skipBadRows } })).importEmployees;
}

async function importFile(bytes: Buffer<ArrayBuffer>, { client }: SignedInPerson = ada): Promise<unknown> {
  const form = new FormData();
  form.set("operations", JSON.stringify({ query: print(ImportEmployeesDocument), variables: { input: { file: null, dryRun: false } } }));
  form.set("map", JSON.stringify({ 0: ["variables.input.file"] }));
  form.set("0", new Blob([bytes]), "employees.csv");
  const headers = { authorization: `Bearer ${client.token ?? ""}`, "apollo-require-preflight": "1" };
  const response = await fetch(`${app.url}/graphql`, { method: "POST", headers, body: form });
  const { data }: { data: ImportEmployeesMutation } = JSON.parse(await response.text());
  return data.importEmployees;
}

/** How many rows each table has that an import could write to. */
async function everything(): Promise<unknown> {
  return sql(
    app,
    `select (select count(*) from accounts) as accounts, (select count(*) from mailboxes) as mailboxes, (select count(*) from mails) as mails,
            (select count(*) from invitations) as invitations, (select count(*) from events where action <> 'people.viewed') as events`,
  );
}
