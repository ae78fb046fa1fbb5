import { Column, Entity, PrimaryColumn } from "typeorm";

/** By which protocol an identity provider vouches. */
export type Protocol = "OIDC" | "SAML";

/** Who an account is at an identity provider: the provider's subject stays the same where an address changes. */
@Entity("identities")
export class Identity {
  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  @Column("uuid", { name: "account_id" })
  accountId!: string;

  @Column("text")
  provider!: Protocol;

  @Column("text")
  issuer!: string;

  @Column("text")
  subject!: string;

  @Column("timestamptz", { name: "created_at" })
  createdAt!: Date;

  @Column("timestamptz", { name: "last_used_at" })
  lastUsedAt!: Date;
}
