import { Field, ObjectType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";

/** One signing-in: known by a token of which only a hash is kept. */
@Entity("sessions")
@ObjectType({ implements: Node, description: "One signing-in, on one device or app. It ends when it is revoked, unused for too long, or at `expiresAt`." })
export class Session extends Node {
  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string] {
    return ["Session", this.uuid];
  }

  @Column("uuid", { name: "account_id" })
  accountId!: string;

  @Column("bytea", { name: "token_hash" })
  tokenHash!: Buffer;

  @Column("text")
  @Field(() => String, { description: "What the browser or app called itself at sign-in; empty if it did not say." })
  client!: string;

  @Column("timestamptz", { name: "created_at" })
  @Field(() => Date, { description: "When it began." })
  createdAt!: Date;

  @Column("timestamptz", { name: "last_used_at" })
  @Field(() => Date, { description: "When it was last used, to the minute." })
  lastUsedAt!: Date;

  @Column("timestamptz", { name: "expires_at" })
  @Field(() => Date, { description: "When it ends at the latest." })
  expiresAt!: Date;

  @Column("timestamptz", { name: "revoked_at", nullable: true })
  revokedAt!: Date | null;

  @Field(() => Boolean, { description: "True for the session that asks." })
  isCurrent!: boolean;
}
