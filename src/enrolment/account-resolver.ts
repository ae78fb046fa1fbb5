import { Arg, Ctx as Context, Field, InputType, Mutation, ObjectType, Resolver } from "type-graphql";
import { Account } from "../accounts/account.ts";
import { type Ctx, signedIn } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { Language } from "../mailer/language.ts";
import { closeAccount } from "./close-account.ts";
import { confirmAddressChange } from "./confirm-address-change.ts";
import { requestAddressChange } from "./request-address-change.ts";
import { updateAccount } from "./update-account.ts";

@InputType({ description: "What shall change; what is left out stays." })
class UpdateAccountInput {
  @Field(() => String, { nullable: true, description: "The name that others see, on the viewer's own mailboxes as well; at most 100 characters." })
  displayName!: string | null;

  @Field(() => Language, { nullable: true, description: "The language to be written to in." })
  language!: Language | null;

  @Field(() => String, { nullable: true, description: "Words by which to know that a mail is ours; at most 100 characters, empty for none." })
  personalPhrase!: string | null;
}

@ObjectType({ description: "The account as it is now." })
class UpdateAccountPayload {
  @Field(() => Account, { description: "The viewer's account." })
  account!: Account;
}

@InputType({ description: "Which address shall be the viewer's." })
class RequestAddressChangeInput {
  @Field(() => String, { description: "The new address." })
  address!: string;

  @Field(() => String, { description: "The viewer's password." })
  password!: string;
}

@ObjectType({ description: "The new address gets a mail with a code and a link. Nothing has changed yet." })
class RequestAddressChangePayload {
  @Field(() => Date, { description: "Until when code and link are good." })
  expiresAt!: Date;
}

@InputType({ description: "The code that came to the new address, or the `token` of the link." })
class ConfirmAddressChangeInput {
  @Field(() => String, { nullable: true, description: "The eight digits of the mail. Five wrong ones void code and link." })
  code!: string | null;

  @Field(() => String, { nullable: true, description: "What stands behind `#token=` in the mail's link." })
  token!: string | null;
}

@ObjectType({ description: "The new address is the viewer's. The old one's mailbox stays theirs; both addresses were told." })
class ConfirmAddressChangePayload {
  @Field(() => Account, { description: "The viewer's account." })
  account!: Account;
}

@InputType({ description: "Closing has to be confirmed." })
class CloseAccountInput {
  @Field(() => String, { description: "The viewer's password." })
  password!: string;
}

@ObjectType({ description: "The account is closed and every session has ended." })
class CloseAccountPayload {
  @Field(() => Date, { description: "When it was closed." })
  closedAt!: Date;
}

const UpdateAccountResult = resultOf("UpdateAccount", UpdateAccountPayload);
const RequestAddressChangeResult = resultOf("RequestAddressChange", RequestAddressChangePayload);
const ConfirmAddressChangeResult = resultOf("ConfirmAddressChange", ConfirmAddressChangePayload);
const CloseAccountResult = resultOf("CloseAccount", CloseAccountPayload);

@Resolver()
export class AccountResolver {
  @Mutation(() => UpdateAccountResult, { description: "Changes the viewer's name, language or personal phrase." })
  async updateAccount(@Context() ctx: Ctx, @Arg("input", () => UpdateAccountInput, { description: "What shall change." }) input: UpdateAccountInput) {
    const { displayName = null, language = null, personalPhrase = null } = input;
    return orProblem(ctx, async () =>
      Object.assign(new UpdateAccountPayload(), { account: await updateAccount(signedIn(ctx), { displayName, language, personalPhrase }) }),
    );
  }

  @Mutation(() => RequestAddressChangeResult, {
    description: "Asks for a code at a new address. For external people. Whether the address belongs to somebody is not said.",
  })
  async requestAddressChange(
    @Context() ctx: Ctx,
    @Arg("input", () => RequestAddressChangeInput, { description: "Which address." }) input: RequestAddressChangeInput,
  ) {
    return orProblem(ctx, async () => Object.assign(new RequestAddressChangePayload(), { expiresAt: await requestAddressChange(signedIn(ctx), input) }));
  }

  @Mutation(() => ConfirmAddressChangeResult, {
    description: "Makes the new address the viewer's, by code or link. INVALID_CODE if they do not hold, ADDRESS_TAKEN if it is another account's.",
  })
  async confirmAddressChange(
    @Context() ctx: Ctx,
    @Arg("input", () => ConfirmAddressChangeInput, { description: "Code or link." }) input: ConfirmAddressChangeInput,
  ) {
    const { code = null, token = null } = input;
    return orProblem(ctx, async () =>
      Object.assign(new ConfirmAddressChangePayload(), { account: await confirmAddressChange(signedIn(ctx), { code, token }) }),
    );
  }

  @Mutation(() => CloseAccountResult, {
    description:
      "Closes the viewer's account for good. For external people. Mail that is left goes on its own day; a later notice lets the address enrol anew and find it.",
  })
  async closeAccount(@Context() ctx: Ctx, @Arg("input", () => CloseAccountInput, { description: "The password." }) input: CloseAccountInput) {
    return orProblem(ctx, async () => Object.assign(new CloseAccountPayload(), { closedAt: await closeAccount(signedIn(ctx), input) }));
  }
}
