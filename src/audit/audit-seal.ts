import { Field, Int, ObjectType } from "type-graphql";
import { connectionOf } from "../graphql/connection.ts";

/** A seal of the ledger as administrators see it. */
@ObjectType({ description: "A signed seal: proves that the events it covers are as they were. Keep the newest outside; docs/audit.md says how to verify." })
export class AuditSeal {
  @Field(() => Int, { description: "From 1 without a gap." })
  number!: number;

  @Field(() => Date, { description: "When it was made." })
  sealedAt!: Date;

  @Field(() => Int, { description: "How many events it covers." })
  eventCount!: number;

  @Field(() => String, { description: "The seal itself, a JWS in compact form (RFC 7515), signed with Ed25519." })
  jws!: string;
}

/** A page of seals. */
export const AuditSealConnection = connectionOf("AuditSeal", () => AuditSeal, "seals of the ledger");
