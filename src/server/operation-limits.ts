import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  getNamedType,
  GraphQLError,
  type GraphQLNamedType,
  type GraphQLSchema,
  isListType,
  isNonNullType,
  isCompositeType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  type SelectionSetNode,
  type ValidationRule,
  valueFromASTUntyped,
  visit,
} from "graphql";
import { ProblemCode } from "../problem.ts";

/** What a document may hold at most. The document is parsed with `maxTokens`, so every walk over it is short. */
export const operationLimits = { maxTokens: 2000, maxFields: 300, maxDepth: 14, maxAliases: 30, maxDirectives: 30, maxRootFields: 10, maxCost: 5000 };

const DEFAULT_PAGE_SIZE = 25;
/** What a list without pages counts as: recipients, attachments, mailboxes. What answers a list of ids is as long as that. */
const PLAIN_LIST_SIZE = 5;

/** What a search counts as beside its page: one operation may ask for nine. */
const SEARCH_COST = 500;

/** What one operation asks for. */
export interface OperationFacts {
  /** How many objects it may fetch: a connection counts its page size times what is below it. */
  readonly cost: number;
  /** Every field it selects, as `Type.field`. */
  readonly selects: ReadonlySet<string>;
}

/** Refuses documents that are too deep, too wide or too clever, before anything runs. One pass; each fragment is looked at once. */
export const withinOperationLimits: ValidationRule = (context) => {
  const count = { fields: 0, aliases: 0, directives: 0, aliasesOfTheSchema: 0 };
  return {
    Field({ alias }) {
      count.fields += 1;
      if (!alias) return;
      count.aliases += 1;
      const parent = context.getParentType();
      if (parent && isIntrospectionType(parent)) count.aliasesOfTheSchema += 1;
    },
    Directive() {
      count.directives += 1;
    },
    Document: {
      leave(document) {
        const { maxFields, maxAliases, maxDirectives } = operationLimits;
        const faults = faultsOf(document);
        if (count.fields > maxFields) faults.push(`A document may have ${maxFields} fields, not ${count.fields}.`);
        if (count.aliases > maxAliases) faults.push(`A document may have ${maxAliases} aliases, not ${count.aliases}.`);
        if (count.directives > maxDirectives) faults.push(`A document may have ${maxDirectives} directives, not ${count.directives}.`);
        // Each would list the schema once more, and no tool needs any.
        if (count.aliasesOfTheSchema > 0) faults.push("Introspection takes no aliases.");
        for (const message of faults) context.reportError(new GraphQLError(message, { extensions: { code: ProblemCode.LIMIT_EXCEEDED } }));
      },
    },
  };
};

/** Refuses an operation that may fetch too much. `variables` decide how long its pages are. */
export function mustBeAffordable({ cost }: OperationFacts): void {
  const { maxCost } = operationLimits;
  if (cost <= maxCost) return;
  throw new GraphQLError(
    `This operation may fetch ${cost > Number.MAX_SAFE_INTEGER ? "endlessly many" : cost.toLocaleString("en")} objects; at most ${maxCost.toLocaleString("en")} are allowed. Ask for shorter pages.`,
    {
      extensions: { code: ProblemCode.LIMIT_EXCEEDED, limit: maxCost, http: { status: 400 } },
    },
  );
}

/** What a validated operation may fetch and what it selects. The same operation with pages of the same length is counted once. */
export function factsOf(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Variables): OperationFacts {
  const known = counted.get(operation) ?? new Map<string, OperationFacts>();
  counted.set(operation, known);
  const sizes = sizesIn(variables);
  const facts = known.get(sizes) ?? count(schema, document, operation, variables);
  if (known.size >= MOST_COUNTED) known.clear();
  known.set(sizes, facts);
  return facts;
}

type Variables = Readonly<Record<string, unknown>>;

const counted = new WeakMap<OperationDefinitionNode, Map<string, OperationFacts>>();
const MOST_COUNTED = 50;

/** The sizes among the variables, on which alone the cost depends: numbers, and how long lists are. */
function sizesIn(variables: Variables): string {
  const sizes = Object.entries(variables).map(([name, value]) => `${name}=${typeof value === "number" ? value : longestIn(value)}`);
  return sizes.join(" ");
}

function count(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Variables): OperationFacts {
  const fragments = fragmentsOf(document);
  const values = { ...defaultsOf(operation), ...variables };
  const costs = new Map<string, number>();
  const selects = new Set<string>();

  const costOf = (selectionSet: SelectionSetNode, parent: GraphQLNamedType | undefined): number => {
    let cost = 0;
    for (const selection of selectionSet.selections) {
      if (selection.kind === Kind.FIELD) cost += costOfField(selection, parent);
      else if (selection.kind === Kind.INLINE_FRAGMENT)
        cost += costOf(selection.selectionSet, selection.typeCondition ? schema.getType(selection.typeCondition.name.value) : parent);
      else cost += costOfFragment(selection.name.value);
    }
    return cost;
  };

  const costOfFragment = (name: string): number => {
    const known = costs.get(name);
    if (known !== undefined) return known;
    costs.set(name, 0); // Validation has ruled out cycles; this only keeps a wrong document from running away.
    const fragment = fragments.get(name);
    const cost = fragment ? costOf(fragment.selectionSet, schema.getType(fragment.typeCondition.name.value)) : 0;
    costs.set(name, cost);
    return cost;
  };

  const costOfField = (field: FieldNode, parent: GraphQLNamedType | undefined): number => {
    const name = field.name.value;
    const definition = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[name] : undefined;
    if (definition === undefined || !parent) return field.selectionSet ? costOf(field.selectionSet, undefined) : 0;
    selects.add(`${parent.name}.${name}`);
    const type = getNamedType(definition.type);
    if (!field.selectionSet || !isCompositeType(type)) return 0;
    const below = 1 + costOf(field.selectionSet, type);
    if (type.name.endsWith("Connection")) return below * pageSizeOf(field, values) + (type.name === "SearchConnection" ? SEARCH_COST : 0);
    const list = isNonNullType(definition.type) ? definition.type.ofType : definition.type;
    if (!isListType(list) || name === "edges") return below;
    return below * (parent === schema.getQueryType() || parent.name.endsWith("Payload") ? longestListOf(document, values) : PLAIN_LIST_SIZE);
  };

  const root = schema.getRootType(operation.operation);
  return { cost: costOf(operation.selectionSet, root ?? undefined), selects };
}

/** The fields at the root of an operation, through fragments; null if the document names another operation or none. */
export function rootFieldsOf(document: DocumentNode, operationName: string | null | undefined): string[] | null {
  const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  const operation = operationName ? operations.find(({ name }) => name?.value === operationName) : operations.length === 1 ? operations[0] : undefined;
  return operation ? rootFieldNames(operation.selectionSet, fragmentsOf(document)) : null;
}

function rootFieldNames(selectionSet: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>, seen = new Set<string>()): string[] {
  return selectionSet.selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection.name.value];
    if (selection.kind === Kind.INLINE_FRAGMENT) return rootFieldNames(selection.selectionSet, fragments, seen);
    const fragment = fragments.get(selection.name.value);
    if (fragment === undefined || seen.has(selection.name.value)) return [];
    return rootFieldNames(fragment.selectionSet, fragments, seen.add(selection.name.value));
  });
}

function pageSizeOf(field: FieldNode, variables: Variables): number {
  for (const { name, value } of field.arguments ?? []) {
    if (name.value !== "first" && name.value !== "last") continue;
    const size = value.kind === Kind.INT ? Number(value.value) : value.kind === Kind.VARIABLE ? variables[value.name.value] : undefined;
    if (typeof size === "number") return Math.max(size, 1);
  }
  return DEFAULT_PAGE_SIZE;
}

function defaultsOf({ variableDefinitions = [] }: OperationDefinitionNode): Record<string, unknown> {
  return Object.fromEntries(
    variableDefinitions.flatMap(({ variable, defaultValue }) => (defaultValue ? [[variable.name.value, valueFromASTUntyped(defaultValue)]] : [])),
  );
}

/** The length of the longest list that an operation is given, in its document, as a variable or in an input. */
function longestListOf(document: DocumentNode, variables: Variables): number {
  let longest = Math.max(PLAIN_LIST_SIZE, ...Object.values(variables).map(longestIn));
  visit(document, {
    ListValue({ values }) {
      longest = Math.max(longest, values.length);
    },
  });
  return longest;
}

/** How long a list is, or the longest list in an input; 0 where there is none. */
function longestIn(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  if (typeof value !== "object" || value === null) return 0;
  return Math.max(0, ...Object.values(value).map((field) => (Array.isArray(field) ? field.length : 0)));
}

function faultsOf(document: DocumentNode): string[] {
  const { maxDepth, maxRootFields } = operationLimits;
  const fragments = fragmentsOf(document);
  const depths = new Map<string, number>();

  const depthOf = (selectionSet: SelectionSetNode): number => {
    let depth = 0;
    for (const selection of selectionSet.selections) {
      if (selection.kind === Kind.FIELD) {
        if (selection.name.value.startsWith("__")) continue; // Introspection is deep by nature; a rule of graphql-js bounds it
        depth = Math.max(depth, 1 + (selection.selectionSet ? depthOf(selection.selectionSet) : 0));
      } else if (selection.kind === Kind.INLINE_FRAGMENT) depth = Math.max(depth, depthOf(selection.selectionSet));
      else depth = Math.max(depth, depthOfFragment(selection.name.value));
    }
    return depth;
  };

  const depthOfFragment = (name: string): number => {
    const known = depths.get(name);
    if (known !== undefined) return known;
    depths.set(name, 0);
    const fragment = fragments.get(name);
    const depth = fragment ? depthOf(fragment.selectionSet) : 0;
    depths.set(name, depth);
    return depth;
  };

  const faults: string[] = [];
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const depth = depthOf(definition.selectionSet);
    if (depth > maxDepth) faults.push(`An operation may be ${maxDepth} fields deep, not ${depth}.`);
    const rootFields = rootFieldNames(definition.selectionSet, fragments).length;
    const most = definition.operation === OperationTypeNode.MUTATION ? 1 : maxRootFields;
    if (rootFields > most) faults.push(`A ${definition.operation} may have ${most} ${most === 1 ? "field" : "fields"} at its root, not ${rootFields}.`);
  }
  return faults;
}

function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  return new Map(document.definitions.flatMap((definition) => (definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition]] : [])));
}
