import { registerEnumType } from "type-graphql";

/** The languages we write in. */
export enum Language {
  EN = "EN",
  ES = "ES",
}

registerEnumType(Language, {
  name: "Language",
  description: "The languages that people are written to in.",
  valuesConfig: { EN: { description: "English." }, ES: { description: "Spanish." } },
});
