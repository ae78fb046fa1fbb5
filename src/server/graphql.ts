import { ApolloServer, type ApolloServerPlugin, HeaderMap } from "@apollo/server";
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from "@apollo/server/plugin/disabled";
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  NoSchemaIntrospectionCustomRule,
  OperationTypeNode,
  OverlappingFieldsCanBeMergedRule,
  parse,
  type ParseOptions,
  specifiedRules,
  validate,
  type ValidationRule,
} from "graphql";
import type { Config } from "../config.ts";
import type { Ctx } from "../context.ts";
import { ProblemCode } from "../problem.ts";
import { INTERNAL, logUnexpected, toClientError } from "./errors.ts";
import { factsOf, mustBeAffordable, operationLimits, rootFieldsOf, withinOperationLimits } from "./operation-limits.ts";

/** How documents are parsed, over HTTP and WebSocket alike. */
export const parseOptions: ParseOptions = { maxTokens: operationLimits.maxTokens };

/** Says what is wrong with a parsed document, over HTTP and WebSocket alike; each document is looked at once. */
export type Validator = (document: DocumentNode) => readonly GraphQLError[];

/** Makes the validator: the specification's rules, our limits, and introspection only where it is allowed. */
export function createValidator(schema: GraphQLSchema, config: Config): Validator {
  const rules = specifiedRules.map((rule) => (rule === OverlappingFieldsCanBeMergedRule ? mergeableFields : rule));
  if (config.introspection === "nobody") rules.push(NoSchemaIntrospectionCustomRule);
  const known = new WeakMap<DocumentNode, readonly GraphQLError[]>();
  return (document) => {
    let faults = known.get(document);
    if (faults === undefined) {
      faults = validate(schema, document, [withinOperationLimits]); // First alone: what is too large would keep the others busy
      if (faults.length === 0) faults = validate(schema, document, rules);
      for (const { extensions } of faults) extensions.code ??= "GRAPHQL_VALIDATION_FAILED";
      known.set(document, faults);
    }
    return faults;
  };
}

/**
 * The specification's rule on overlapping fields, but for one case: `message` may be a payload's Message and a
 * Problem's sentence in one selection, as clients write it. An answer is the one or the other, never both.
 */
const mergeableFields: ValidationRule = (context) => {
  const reportError = (error: GraphQLError): void => {
    if (!/^Fields "message" conflict because they return conflicting types ("Message!" and "String!"|"String!" and "Message!")/.test(error.message))
      context.reportError(error);
  };
  return OverlappingFieldsCanBeMergedRule(Object.create(context, { reportError: { value: reportError } }));
};

/** What may be run without signing in; everything else is refused before it is validated. */
const openFields = new Set([
  "__typename",
  "viewer",
  "signIn",
  "signInMethods",
  "beginPasskeySignIn",
  "signInWithPasskey",
  "acceptInvitation",
  "requestSignInCode",
  "signInWithCode",
  "verifyNotice",
  "reportSuspectedNotice",
  "requestValidation",
  "validateAddress",
  "enrol",
  "requestPasswordReset",
  "resetPassword",
]);
const introspectionFields = new Set(["__schema", "__type"]);

/** Whether somebody who is not signed in may run this document. What does not parse is left to the parser to refuse. */
export function isOpenToAnonymous(config: Config, query: unknown, operationName: unknown): boolean {
  if (typeof query !== "string") return !Array.isArray(query); // Several may be taken for one by whoever runs it; nothing else is run at all
  let document: DocumentNode;
  try {
    document = parse(query, { ...parseOptions, noLocation: true });
  } catch {
    return true;
  }
  const fields = rootFieldsOf(document, typeof operationName === "string" ? operationName : null);
  return fields !== null && fields.every((field) => openFields.has(field) || (config.introspection === "everyone" && introspectionFields.has(field)));
}

/** The refusal of somebody who is not signed in. */
export function notSignedIn(): GraphQLError {
  return new GraphQLError("Sign in first.", { extensions: { code: ProblemCode.UNAUTHENTICATED, http: { status: 401 } } });
}

function overWebSocketOnly(): GraphQLError {
  return new GraphQLError("Subscriptions run over the WebSocket at this address; send queries and mutations here.", {
    extensions: { code: ProblemCode.INVALID_INPUT, http: { status: 400 } },
  });
}

/** A context whose `selects` the pipeline fills in once the operation is known. */
export type RequestCtx = Ctx & { readonly selects: Set<string> };

/** The GraphQL server for queries, mutations and uploads; subscriptions run over the WebSocket by the same rules. */
export function createApollo(schema: GraphQLSchema, validator: Validator): ApolloServer<RequestCtx> {
  return new ApolloServer<RequestCtx>({
    schema,
    dangerouslyDisableValidation: true, // Done by our own plugin below, with the rules that the WebSocket has too
    parseOptions,
    introspection: true,
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    persistedQueries: false, // A hash in the place of a document would pass the check of who may run what
    includeStacktraceInErrorResponses: false,
    stopOnTerminationSignals: false,
    formatError: toClientError,
    plugins: [
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginLandingPageDisabled(),
      ApolloServerPluginSchemaReportingDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      validateAndPrice(schema, validator),
    ],
  });
}

/** Validates each document, checks the operation's cost, tells the context what it selects, logs what nobody expected, and reports cost and request id. */
function validateAndPrice(schema: GraphQLSchema, validator: Validator): ApolloServerPlugin<RequestCtx> {
  return {
    async requestDidStart() {
      let cost: number | undefined;
      let faults: readonly GraphQLError[] = [];
      return {
        async didResolveOperation({ document, operation, request, contextValue }) {
          faults = validator(document);
          if (operation === undefined || faults.length > 0) return;
          if (operation.operation === OperationTypeNode.SUBSCRIPTION) throw overWebSocketOnly();
          const facts = factsOf(schema, document, operation, request.variables ?? {});
          cost = facts.cost;
          for (const coordinate of facts.selects) contextValue.selects.add(coordinate);
          mustBeAffordable(facts);
        },
        async responseForOperation() {
          if (faults.length === 0) return null;
          const errors = faults.map((fault) => toClientError(fault.toJSON(), fault));
          return { http: { status: 400, headers: new HeaderMap() }, body: { kind: "single", singleResult: { errors } } };
        },
        async didEncounterErrors({ errors, contextValue, operationName }) {
          const { log, requestId } = contextValue;
          for (const error of errors) logUnexpected(log, error, { requestId, operation: operationName ?? undefined, path: error.path?.join(".") });
        },
        async willSendResponse({ response: { body }, contextValue }) {
          if (body.kind !== "single") return;
          const { singleResult } = body;
          if (cost !== undefined) singleResult.extensions = { ...singleResult.extensions, cost: { requested: cost, limit: operationLimits.maxCost } };
          singleResult.errors = singleResult.errors?.map((error) =>
            error.extensions?.code === INTERNAL ? { ...error, extensions: { ...error.extensions, requestId: contextValue.requestId } } : error,
          );
        },
      };
    },
  };
}
