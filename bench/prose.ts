const words = (
  "the your claim benefit statement appeal coverage provider invoice letter treatment approved review document signed attached " +
  "please confirm before deadline plan premium deductible hospital visit referral therapy physician member policy number date we " +
  "received request and will answer within ten days if you have questions call us thank for patience Ärztin Straße naïve"
).split(" ");

/** Chance that repeats itself from run to run (mulberry32): a number from 0 up to, not including, `below`. */
export type Chance = (below: number) => number;

/** Starts a run of chance. */
export function chance(seed: number): Chance {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A text of so many words. */
export function prose(random: Chance, length: number): string {
  let text = "Dear all";
  for (let n = 0; n < length; n += 1) text += `${n % 12 === 11 ? ".\n" : " "}${words[random(words.length)] ?? ""}`;
  return `${text}.`;
}
