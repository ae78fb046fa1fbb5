import { Field, ObjectType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";
import type { DataKey } from "../vault/seal.ts";

/** A key pair of WebAuthn, of which only the public key is known here; its owner unlocks the other with a PIN or a finger. */
@Entity("passkeys")
@ObjectType({ implements: Node, description: "A passkey of the viewer's: it signs in alone, and is a second factor." })
export class Passkey extends Node {
  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string] {
    return ["Passkey", this.uuid];
  }

  @Column("uuid", { name: "account_id" })
  accountId!: string;

  @Column("bytea", { name: "credential_id" })
  credentialId!: Buffer;

  /** In COSE form (RFC 9052). */
  @Column("bytea", { name: "public_key" })
  publicKey!: Buffer;

  /** How often the authenticator says it has signed; many always say 0. */
  @Column("bigint")
  counter!: number;

  /** How browsers reach it, separated by spaces. */
  @Column("text")
  transports!: string;

  @Column("boolean", { name: "backed_up" })
  @Field(() => Boolean, { description: "Whether it is kept by a service that copies it to its owner's other devices, as of its last use." })
  backedUp!: boolean;

  /** What its owner calls it, sealed. */
  @Column("bytea", { name: "name" })
  sealedName!: Buffer;

  /** Opens the name. */
  directory!: DataKey;

  @Field(() => String, { description: "What its owner calls it." })
  get name(): string {
    return this.directory.open<string>({ id: this.uuid, field: "passkey" }, this.sealedName);
  }

  @Column("timestamptz", { name: "created_at" })
  @Field(() => Date, { description: "When it was added." })
  createdAt!: Date;

  @Column("timestamptz", { name: "last_used_at", nullable: true })
  @Field(() => Date, { nullable: true, description: "When it was last used; null if it never was." })
  lastUsedAt!: Date | null;
}
