// Where drizzle-kit finds the schema and puts the migrations that it makes from it.
import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  driver: "durable-sqlite",
  schema: "./db/schema/index.ts",
  out: "./migrations",
});
