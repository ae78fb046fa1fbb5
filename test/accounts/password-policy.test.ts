import { MAX_PASSWORD_BYTES, type PasswordOwner, whyWeak } from "../../src/accounts/password-policy.ts";
import { ProblemCode } from "../../src/problem.ts";
import { Random } from "../support/random.ts";

const maria: PasswordOwner = { userId: "maria77", address: "m.alvarez@mail.example", organisation: "Example Health", hasSecondFactor: false };
const withFactor: PasswordOwner = { ...maria, hasSecondFactor: true };

test.each([
  "blue kettle runs north",
  "caballo verde tetera norte",
  "¿dónde está mi tetera azul?",
  "fjwqzkxvbnmrtyp",
  "x9$Kq!vB2#mNp7&",
  "кошка сидит на окне",
  "日本語の合言葉は長くて覚えやすいものです",
])("%s will do, whatever kinds of characters it has", (password) => {
  expect(whyWeak(password, maria)).toBeNull();
});

test("a password needs 15 characters, or 8 where a second factor is asked for; characters, not bytes", () => {
  expect(whyWeak("fjwqzkxvbnmrtyp", maria)).toBeNull();
  expect(whyWeak("fjwqzkxvbnmrty", maria)).toMatchObject({ code: ProblemCode.WEAK_PASSWORD, field: "password", limit: 15 });
  expect(whyWeak("fjwqzkxvbnmrty", withFactor)).toBeNull();
  expect(whyWeak("fjwqzkxv", withFactor)).toBeNull();
  expect(whyWeak("fjwqzkx", withFactor)).toMatchObject({ code: ProblemCode.WEAK_PASSWORD, limit: 8 });
  expect(whyWeak("🐈🐕🐎🐖🐄🐑🐐", withFactor)).toMatchObject({ limit: 8 });
});

test("a password has at most 1,024 bytes of UTF-8", () => {
  const long = "blue kettle runs north ".repeat(100);
  expect(whyWeak(long.slice(0, MAX_PASSWORD_BYTES), maria)).toBeNull();
  expect(whyWeak(long.slice(0, MAX_PASSWORD_BYTES + 1), maria)).toMatchObject({ code: ProblemCode.LIMIT_EXCEEDED, limit: MAX_PASSWORD_BYTES });
  expect(whyWeak("ñ".repeat(513), maria)).toMatchObject({ code: ProblemCode.LIMIT_EXCEEDED });
});

test.each(["password1", "iloveyou", "PassWord1", "qwertyuiop", "liverpool", "passwordpassword"])("%s is blocked: it is tried first everywhere", (password) => {
  expect(whyWeak(password, withFactor)).toMatchObject({ code: ProblemCode.WEAK_PASSWORD, message: expect.stringContaining("tried first everywhere") });
});

test.each([
  "blue kettle maria77 north",
  "blue kettle MARIA77 north",
  "m.alvarez@mail.example blue",
  "the M.ALVAREZ kettle runs",
  "example health kettle runs",
  "blue ExampleHealth kettle",
])("%s names its owner or us", (password) => {
  expect(whyWeak(password, maria)).toMatchObject({ code: ProblemCode.WEAK_PASSWORD, message: expect.stringContaining("Leave out") });
});

test.each([
  "aaaaaaaaaaaaaaaaaaaa",
  "12345678901234567890",
  "abcabcabcabcabcabcabc",
  "qwertyuiopasdfghjkl",
  "password password",
  "19991231 19991231",
  "blue kettle blue kettle",
  "p@ssw0rdp@ssw0rd",
])("%s is long enough and is guessed all the same", (password) => {
  const problem = whyWeak(password, maria, "newPassword");
  expect(problem).toMatchObject({ code: ProblemCode.WEAK_PASSWORD, field: "newPassword" });
  expect(problem?.message).not.toContain(password);
});

test("the check takes a few milliseconds, however a password is made to keep it busy", () => {
  const costly = [
    "a".repeat(1024),
    "ab1!".repeat(256),
    "l33t1e5$@0".repeat(100),
    "1234567890".repeat(100),
    "@$0!1|3578".repeat(100),
    "dragonmonkeyletmein".repeat(50),
  ];
  const chance = new Random(13);
  const random = (letters: string): string => Array.from({ length: 1000 }, () => chance.pick([...letters])).join("");
  const passwords = [...costly, random("@$0!1|3578abcdeost4"), random("0123456789"), random("abcdefghijklmnopqrstuvwxyz"), "correct horse battery staple"];
  // The processor's time, not the clock's, and the least of several tries: a busy machine must not count.
  const taken = passwords.map((password) => {
    const times = Array.from({ length: 15 }, () => {
      const start = process.cpuUsage();
      whyWeak(password, maria);
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 1000;
    });
    return { password: password.slice(0, 20), ms: Math.min(...times) };
  });
  process.stdout.write(`whyWeak: ${taken.map(({ password, ms }) => `${password} ${ms.toFixed(1)} ms`).join(", ")}\n`);
  for (const { password, ms } of taken) expect({ password, isQuick: ms < 10, ms }).toMatchObject({ isQuick: true });
});
