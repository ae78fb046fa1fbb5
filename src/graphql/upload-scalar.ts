import { GraphQLError, GraphQLScalarType } from "graphql";
import { Upload } from "graphql-upload-minimal";

/** A file of a multipart request. The resolver gets the Upload itself and awaits its `promise`, so that a form that breaks off is its to refuse. */
export const UploadScalar = new GraphQLScalarType<Upload>({
  name: "Upload",
  description: "A file, sent as a part of a multipart request (GraphQL multipart request specification).",
  specifiedByURL: "https://github.com/jaydenseric/graphql-multipart-request-spec",
  parseValue(value) {
    if (value instanceof Upload) return value;
    throw new GraphQLError("A file comes as a part of a multipart request.");
  },
  parseLiteral() {
    throw new GraphQLError("A file comes as a part of a multipart request, named by a variable.");
  },
});
