import type { PublicKeyCredentialCreationOptionsJSON } from "@simplewebauthn/server";
import { GraphQLJSONObject } from "graphql-scalars";
import { Arg, Ctx as Context, Field, ID, InputType, Mutation, ObjectType, Resolver } from "type-graphql";
import { type Ctx, signedInAtLeast } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeId } from "../graphql/node-id.ts";
import { addPasskey, type NewPasskey } from "./add-passkey.ts";
import { beginPasskeyRegistration, MAX_PASSKEYS } from "./begin-passkey-registration.ts";
import { Passkey } from "./passkey.ts";
import { removePasskey } from "./remove-passkey.ts";
import { renamePasskey } from "./rename-passkey.ts";

@ObjectType({ description: "What to ask a browser for. It can be answered once, within five minutes, by this account." })
class BeginPasskeyRegistrationPayload {
  @Field(() => String, { description: "To be sent back with the answer." })
  challengeId!: string;

  @Field(() => GraphQLJSONObject, {
    description: "For `navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })`.",
  })
  options!: PublicKeyCredentialCreationOptionsJSON;
}

@InputType({ description: "A passkey that a browser has made." })
class AddPasskeyInput implements NewPasskey {
  @Field(() => String, { description: "The `challengeId` that came with the options." })
  challengeId!: string;

  @Field(() => GraphQLJSONObject, { description: "What `navigator.credentials.create()` gave, by its `toJSON()`." })
  response!: object;

  @Field(() => String, { description: "What its owner calls it, say after the device: 1 to 60 characters." })
  name!: string;
}

@ObjectType({ description: "The passkey signs in from now on, and is a second factor." })
class AddPasskeyPayload {
  @Field(() => Passkey, { description: "The passkey." })
  passkey!: Passkey;

  @Field(() => [String], { description: "Ten recovery codes where the account had none, to be kept by its owner; otherwise empty. Shown only here." })
  recoveryCodes!: string[];
}

@InputType({ description: "What to call a passkey." })
class RenamePasskeyInput {
  @Field(() => ID, { description: "One of the viewer's passkeys." })
  passkeyId!: string;

  @Field(() => String, { description: "1 to 60 characters." })
  name!: string;
}

@ObjectType({ description: "The passkey is called so now." })
class RenamePasskeyPayload {
  @Field(() => Passkey, { description: "The passkey." })
  passkey!: Passkey;
}

@InputType({ description: "Which passkey to remove." })
class RemovePasskeyInput {
  @Field(() => ID, { description: "One of the viewer's passkeys." })
  passkeyId!: string;
}

@ObjectType({ description: "The passkey signs nobody in any more." })
class RemovePasskeyPayload {
  @Field(() => ID, { description: "The passkey that was." })
  removedId!: string;
}

const BeginPasskeyRegistrationResult = resultOf("BeginPasskeyRegistration", BeginPasskeyRegistrationPayload);
const AddPasskeyResult = resultOf("AddPasskey", AddPasskeyPayload);
const RenamePasskeyResult = resultOf("RenamePasskey", RenamePasskeyPayload);
const RemovePasskeyResult = resultOf("RemovePasskey", RemovePasskeyPayload);

@Resolver()
export class PasskeyResolver {
  @Mutation(() => BeginPasskeyRegistrationResult, {
    description: `Asks for a new passkey for the viewer, who may have ${MAX_PASSKEYS}. Needs a recent proof of who asks (\`confirmIdentity\`).`,
  })
  async beginPasskeyRegistration(@Context() ctx: Ctx) {
    return orProblem(ctx, async () => Object.assign(new BeginPasskeyRegistrationPayload(), await beginPasskeyRegistration(signedInAtLeast(ctx))));
  }

  @Mutation(() => AddPasskeyResult, {
    description: "Keeps a passkey that a browser has made. Its owner is told by mail. Needs a recent proof of who asks (`confirmIdentity`).",
  })
  async addPasskey(@Context() ctx: Ctx, @Arg("input", () => AddPasskeyInput, { description: "The browser's answer." }) input: AddPasskeyInput) {
    return orProblem(ctx, async () => {
      const { passkey, codes } = await addPasskey(signedInAtLeast(ctx), input);
      return Object.assign(new AddPasskeyPayload(), { passkey, recoveryCodes: codes });
    });
  }

  @Mutation(() => RenamePasskeyResult, { description: "Calls one of the viewer's passkeys something else." })
  async renamePasskey(
    @Context() ctx: Ctx,
    @Arg("input", () => RenamePasskeyInput, { description: "Which, and what to call it." }) { passkeyId, name }: RenamePasskeyInput,
  ) {
    return orProblem(ctx, async () => {
      const passkey = await renamePasskey(signedInAtLeast(ctx), decodeId("Passkey", passkeyId, "passkeyId"), name);
      return Object.assign(new RenamePasskeyPayload(), { passkey });
    });
  }

  @Mutation(() => RemovePasskeyResult, {
    description:
      "Removes one of the viewer's passkeys. Their last factor takes the recovery codes along, and stays where one is required. Needs a recent proof of who asks (`confirmIdentity`).",
  })
  async removePasskey(@Context() ctx: Ctx, @Arg("input", () => RemovePasskeyInput, { description: "Which." }) { passkeyId }: RemovePasskeyInput) {
    return orProblem(ctx, async () => {
      await removePasskey(signedInAtLeast(ctx), decodeId("Passkey", passkeyId, "passkeyId"));
      return Object.assign(new RemovePasskeyPayload(), { removedId: passkeyId });
    });
  }
}
