import { writeFileSync } from "node:fs";
import { printSchema } from "graphql";
import { createSchema } from "../src/schema.ts";

// Prints the schema to schema.graphql, where clients and reviewers read it.
writeFileSync(new URL("../schema.graphql", import.meta.url), `${printSchema(createSchema())}\n`);
