// Prints what a grammar refuses in files, as file:line:column: message; exits with 1 where it refuses anything:
//   node checks/sql/parse.mjs hive|trino FILE...
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";

// The parser is built for bundlers, which find ./a in ./a.js or in ./a/index.js; node has to be told.
registerHooks({
  resolve(name, context, next) {
    if (!name.startsWith(".")) return next(name, context);
    for (const ending of ["", ".js"]) {
      try {
        return next(name + ending, context);
      } catch {
        // The next ending may be the one.
      }
    }
    return next(`${name}/index.js`, context);
  },
});

// What a parser that dt-sql-parser makes for itself says there, of the half of a statement, is of no use to anybody.
console.error = () => {};

const CLASSES = { hive: "HiveSQL", trino: "TrinoSQL" };
const [grammar, ...files] = process.argv.slice(2);
const grammars = await import(`dt-sql-parser/dist/parser/${grammar}/index.js`);
const parser = new grammars[CLASSES[grammar]]();

function refusals(sql) {
  const errors = parser.validate(sql);
  if (errors.length) return errors;
  // The grammars let these pass, and the engines refuse them a step later.
  const statements = parser.splitSQLByStatement(sql);
  if (statements.length !== 1) {
    const { startLine, startColumn } = statements[1] ?? { startLine: 1, startColumn: 1 };
    return [{ startLine, startColumn, message: `${statements.length} statements, and Athena takes one at a time` }];
  }
  if (grammar === "hive") return [];
  const backquoted = parser.getAllTokens(sql).filter(({ text }) => text.startsWith("`"));
  return backquoted.map(({ text, line, column }) => ({
    startLine: line,
    startColumn: column + 1,
    message: `${text} stands between backquotes, and a query wants "double quotes"`,
  }));
}

for (const file of files) {
  for (const { startLine, startColumn, message } of refusals(readFileSync(file, "utf8"))) {
    console.log(`${file}:${startLine}:${startColumn}: ${message}`);
    process.exitCode = 1;
  }
}
