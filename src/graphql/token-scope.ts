import { registerEnumType } from "type-graphql";

/** What an access token may be made for. */
export enum TokenScope {
  READ = "READ",
  WRITE = "WRITE",
  ADMIN = "ADMIN",
}

registerEnumType(TokenScope, {
  name: "TokenScope",
  description: "What an access token may be made for. None includes another.",
  valuesConfig: {
    READ: { description: "Queries, subscriptions and downloads." },
    WRITE: { description: "Mutations, and what their payloads show." },
    ADMIN: { description: "What only administrators may do, as far as READ or WRITE covers it; for administrators, as long as they are." },
  },
});
