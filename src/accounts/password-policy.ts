import { ZxcvbnFactory } from "@zxcvbn-ts/core";
import * as common from "@zxcvbn-ts/language-common";
import * as english from "@zxcvbn-ts/language-en";
import * as spanish from "@zxcvbn-ts/language-es-es";
import { Problem, ProblemCode, Refusal } from "../problem.ts";

/** Characters of a password that is all there is to sign in with. */
export const MIN_PASSWORD_LENGTH = 15;
/** Characters where a second factor stands beside it. */
export const MIN_LENGTH_WITH_SECOND_FACTOR = 8;
/** Bytes of UTF-8. */
export const MAX_PASSWORD_BYTES = 1024;

/** Characters of a long password that are estimated: the work grows with their cube, and so much says enough. */
const ESTIMATED_LENGTH = 32;
/** "Safely unguessable": moderate protection from an offline attack on a slow hash. */
const MIN_SCORE = 3;
/** "Somewhat guessable": no eight characters get more. */
const MIN_SCORE_WITH_SECOND_FACTOR = 2;
/** What is too short to be found in a password by more than chance. */
const MIN_PART_LENGTH = 3;

/** Further surnames are so rare that they count as letters. */
const MAX_SURNAMES = 10_000;

/** The most common passwords of known breaches, in lower case. */
const blocklist = new Set(common.dictionary["passwords-common"]);

/** Made when the first password is chosen: it takes half a second and 30 MB, which not every process needs. */
let estimator: ZxcvbnFactory | null = null;

function makeEstimator(): ZxcvbnFactory {
  const { "passwords-common": passwords, ...others } = common.dictionary;
  const surnames = english.dictionary["lastnames-en"].slice(0, MAX_SURNAMES);
  // Every part of a password is looked up in every list, so the thirty-odd lists of words and names are made one.
  const words = merged({ ...others, ...english.dictionary, "lastnames-en": surnames, ...spanish.dictionary });
  return new ZxcvbnFactory({
    dictionary: { passwords, words },
    graphs: { qwerty: common.adjacencyGraphs.qwerty },
    l33tMaxSubstitutions: 0, // Of each kind the one that replaces most is looked up in any case; the rest took seconds
  });
}

/** Whose password it is to be, and what an attacker would try first. */
export interface PasswordOwner {
  readonly userId: string;
  readonly address: string;
  readonly organisation: string;
  readonly hasSecondFactor: boolean;
}

/**
 * What is wrong with a new password; null if nothing is. Length, what is common, and how it would be guessed; no rules on
 * composition, and no expiry (NIST SP 800-63B, section 3.1.1.2).
 */
export function whyWeak(password: string, { userId, address, organisation, hasSecondFactor }: PasswordOwner, field = "password"): Problem | null {
  const weak = (sentence: string, limit?: number): Problem => new Problem(ProblemCode.WEAK_PASSWORD, sentence, { field, ...(limit ? { limit } : {}) });
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES)
    return new Problem(ProblemCode.LIMIT_EXCEEDED, `Use a password of at most ${MAX_PASSWORD_BYTES} bytes.`, { field, limit: MAX_PASSWORD_BYTES });
  const least = hasSecondFactor ? MIN_LENGTH_WITH_SECOND_FACTOR : MIN_PASSWORD_LENGTH;
  if ([...password].length < least) return weak(`Use at least ${least} characters: a few words that do not belong together are easy to keep.`, least);
  const folded = password.toLowerCase();
  const dense = folded.replace(/\s/gu, "");
  if (blocklist.has(folded) || blocklist.has(dense)) return weak("This is one of the passwords that are tried first everywhere. Choose another.");
  const [, repeated] = /^(.+?)\1+$/su.exec(dense) ?? [];
  if (repeated !== undefined && [...repeated].length < least) return weak("What is repeated counts once. Add words that do not belong together.", least);
  const known = [userId, address, address.slice(0, address.lastIndexOf("@")), organisation, organisation.replace(/\s/g, "")].map((part) => part.toLowerCase());
  if (known.some((part) => part.length >= MIN_PART_LENGTH && folded.includes(part)))
    return weak("Leave out your user ID, your address and our name: they would be tried first.");
  estimator ??= makeEstimator();
  const { score, feedback } = estimator.check(password.slice(0, ESTIMATED_LENGTH), [...known]);
  if (score >= (hasSecondFactor ? MIN_SCORE_WITH_SECOND_FACTOR : MIN_SCORE)) return null;
  const advice = feedback.warning === null ? undefined : adviceOn[feedback.warning];
  return weak(`${advice ?? "This would be guessed too soon."} Add words that do not belong together.`);
}

/** Refuses a password that would be guessed too easily. Returns whether it is good only beside the second factor that there is. */
export function mustBeStrong(password: string, owner: PasswordOwner, field = "password"): { passwordNeedsFactor: boolean } {
  const problem = whyWeak(password, owner, field);
  if (problem) throw new Refusal(problem);
  return { passwordNeedsFactor: owner.hasSecondFactor && whyWeak(password, { ...owner, hasSecondFactor: false }) !== null };
}

/** Each word once, by its best place in any list. */
function merged(lists: Readonly<Record<string, readonly (string | number)[]>>): string[] {
  const places = new Map<string, number>();
  for (const list of Object.values(lists)) {
    for (const [place, word] of list.entries()) {
      const folded = String(word).toLowerCase();
      places.set(folded, Math.min(place, places.get(folded) ?? Infinity));
    }
  }
  return [...places].sort(([, one], [, other]) => one - other).map(([word]) => word);
}

/** What to do about what the estimator found, by the names of its findings. */
const adviceOn: Readonly<Record<string, string | undefined>> = {
  straightRow: "Rows of keys are guessed soon.",
  keyPattern: "Patterns on the keyboard are guessed soon.",
  simpleRepeat: "Repeated characters add nothing.",
  extendedRepeat: "Repeated words add nothing.",
  sequences: "Sequences such as abc or 678 are guessed soon.",
  recentYears: "Years are guessed soon.",
  dates: "Dates are guessed soon.",
  topTen: "This is a very common password.",
  topHundred: "This is a very common password.",
  common: "This is a common password.",
  similarToCommon: "This is close to a common password.",
  wordByItself: "One word alone is guessed soon.",
  namesByThemselves: "Names alone are guessed soon.",
  commonNames: "Common names are guessed soon.",
  userInputs: "What others know of you is tried first.",
  pwned: "This password is known from a breach.",
};
