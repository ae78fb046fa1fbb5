import { Field, ObjectType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";
import { TokenScope } from "../graphql/token-scope.ts";
import type { DataKey } from "../vault/seal.ts";

/** What a partner or a script sends instead of a session: known by a token of which only a hash is kept. */
@Entity("access_tokens")
@ObjectType({
  implements: Node,
  description: "A personal access token: what a partner or a script sends instead of a session. It ends when it is revoked or at `expiresAt`.",
})
export class AccessToken extends Node {
  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string] {
    return ["AccessToken", this.uuid];
  }

  @Column("uuid", { name: "account_id" })
  accountId!: string;

  /** The sealed name. */
  @Column("bytea", { name: "name" })
  sealedName!: Buffer;

  /** Opens the name. */
  directory!: DataKey;

  @Field(() => String, { description: "What its owner calls it." })
  get name(): string {
    return this.directory.open<string>({ id: this.uuid, field: "name" }, this.sealedName);
  }

  @Column("text", { array: true })
  @Field(() => [TokenScope], { description: "What it may be used for." })
  scopes!: TokenScope[];

  @Column("bytea", { name: "token_hash" })
  tokenHash!: Buffer;

  @Column("timestamptz", { name: "created_at" })
  @Field(() => Date, { description: "When it was made." })
  createdAt!: Date;

  @Column("timestamptz", { name: "expires_at" })
  @Field(() => Date, { description: "When it ends." })
  expiresAt!: Date;

  @Column("timestamptz", { name: "last_used_at", nullable: true })
  @Field(() => Date, { nullable: true, description: "When it was last used, to the minute; null if it never was." })
  lastUsedAt!: Date | null;

  @Column("timestamptz", { name: "revoked_at", nullable: true })
  revokedAt!: Date | null;
}
