import {
  getNamedType,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
} from "graphql";

/** A root field of the schema, and a call of it that is valid whatever it answers. */
export interface SchemaCall {
  readonly name: string;
  readonly operation: "query" | "mutation" | "subscription";
  readonly document: string;
  readonly variables: Record<string, unknown>;
}

/** One call of each root field with all that it requires, made up from the types alone. */
export function callsOfSchema(schema: GraphQLSchema): SchemaCall[] {
  const roots = [
    ["query", schema.getQueryType()],
    ["mutation", schema.getMutationType()],
    ["subscription", schema.getSubscriptionType()],
  ] as const;
  return roots.flatMap(([operation, root]) => Object.values(root?.getFields() ?? {}).map((field) => callOf(operation, field)));
}

function callOf(operation: SchemaCall["operation"], { name, args, type }: GraphQLField<unknown, unknown>): SchemaCall {
  const required = args.filter(isRequiredArgument);
  const declared = required.map((argument) => `$${argument.name}: ${String(argument.type)}`).join(", ");
  const given = required.map((argument) => `${argument.name}: $${argument.name}`).join(", ");
  const variables = Object.fromEntries(required.map((argument) => [argument.name, madeUp(argument.type)]));
  const selection = isLeafType(getNamedType(type))
    ? ""
    : operation === "mutation"
      ? "{ __typename ... on Problem { code problem: message } }"
      : "{ __typename }";
  return { name, operation, document: `${operation}${declared && ` (${declared})`} { ${name}${given && `(${given})`} ${selection} }`, variables };
}

function madeUp(type: GraphQLInputType): unknown {
  if (isNonNullType(type)) return madeUp(type.ofType);
  if (isListType(type)) return [madeUp(type.ofType)];
  if (isEnumType(type)) return type.getValues()[0]?.name;
  if (isInputObjectType(type))
    return Object.fromEntries(
      Object.values(type.getFields())
        .filter(isRequiredInputField)
        .map((field) => [field.name, madeUp(field.type)]),
    );
  if (type.name === "Int" || type.name === "Float") return 1;
  if (type.name === "Boolean") return true;
  if (type.name === "DateTimeISO" || type.name === "DateTime") return "2030-01-01T00:00:00Z";
  if (type.name === "JSONObject") return {};
  return type.name === "Upload" ? new Blob(["A file."]) : "made-up";
}
