import type { Upload } from "graphql-upload-minimal";
import { Arg, Ctx as Context, Field, Mutation, ObjectType, Resolver } from "type-graphql";
import { type Ctx, signedIn } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { UploadScalar } from "../graphql/upload-scalar.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { Attachment } from "./attachment.ts";
import { uploadAttachment } from "./upload-attachment.ts";

@ObjectType({ description: "The file is stored. Put it on a draft or a message within 24 hours, or it is removed." })
class UploadAttachmentPayload {
  @Field(() => Attachment, { description: "The file." })
  attachment!: Attachment;
}

const UploadAttachmentResult = resultOf("UploadAttachment", UploadAttachmentPayload);

@Resolver()
export class AttachmentResolver {
  @Mutation(() => UploadAttachmentResult, {
    description: "Stores a file, sent by the GraphQL multipart request specification with an `apollo-require-preflight` header.",
  })
  async uploadAttachment(@Context() ctx: Ctx, @Arg("file", () => UploadScalar, { description: "The file, one a request." }) { promise }: Upload) {
    return orProblem(ctx, async () => {
      const { fileName, bytes } = await promise
        .then((file) => ({ fileName: file.filename, bytes: file.createReadStream() }))
        .catch(() => refuse(ProblemCode.INVALID_INPUT, "The form ended before the file came. Try again.", { field: "file" }));
      const attachment = await uploadAttachment(signedIn(ctx), {
        fileName,
        bytes,
        isCut: () => "truncated" in bytes && bytes.truncated === true,
      });
      return Object.assign(new UploadAttachmentPayload(), { attachment });
    });
  }
}
