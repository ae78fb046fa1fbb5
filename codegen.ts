import type { CodegenConfig } from "@graphql-codegen/cli";

/** Typed documents of the operations clients are written against: `npm run codegen`. Front-end teams can start from this file. */
const config: CodegenConfig = {
  schema: "schema.graphql",
  documents: "operations/*.graphql",
  generates: {
    "operations/generated/operations.ts": {
      plugins: ["typescript-operations", "typed-document-node"],
      config: {
        useTypeImports: true,
        avoidOptionals: { field: true },
        enumsAsTypes: true,
        scalars: { ID: "string", DateTime: "string", Upload: "Blob", JSONObject: "Record<string, unknown>" },
        // A payload's `message` stands beside a Problem's in one selection: see docs/api.md, "Problems".
        skipDocumentsValidation: { ignoreRules: ["OverlappingFieldsCanBeMergedRule"] },
      },
    },
  },
};

export default config;
