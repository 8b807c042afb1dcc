// Who may import whom: the table in ARCHITECTURE.md, held by dependency-cruiser. Type-only imports count too.
const faces = "/index\\.ts$";
const rule = (name, from, allowed) => ({
  name,
  severity: "error",
  from: { path: from, pathNot: "\\.(test|contract|peers\\.test|long\\.test)\\.ts$" },
  to: { path: "^(src|apps|examples|migrations|bench|test|tools)/", pathNot: allowed },
});

module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    rule("core imports nothing of ours", "^src/core/", ["^src/core/"]),
    rule("perimeter imports core", "^src/perimeter/", ["^src/perimeter/", "^src/core/"]),
    rule("data imports core", "^src/data/", ["^src/data/", "^src/core/"]),
    rule("network imports core and the faces of keys and secrets", "^src/network/", [
      "^src/network/",
      "^src/core/",
      `^src/data/(keys|secrets)${faces}`,
    ]),
    rule("application imports core and the faces of data", "^src/application/", [
      "^src/application/",
      "^src/core/",
      `^src/data/[^/]+${faces}`,
    ]),
    rule("monitoring imports core and the faces of data", "^src/monitoring/", [
      "^src/monitoring/",
      "^src/core/",
      `^src/data/[^/]+${faces}`,
    ]),
    rule("assurance imports core", "^src/assurance/", ["^src/assurance/", "^src/core/"]),
    rule("an adapter imports faces, core and the pipeline, never another adapter", "^src/adapters/([^/]+)/", [
      "^src/adapters/$1/",
      "^src/core/",
      "^src/(perimeter|network)/index\\.ts$",
      `^src/(application|data|monitoring)/[^/]+${faces}`,
      "^src/pipeline\\.ts$",
    ]),
    rule(
      "nobody imports testing, migrations or the root from a layer",
      "^src/(core|perimeter|network|application|data|monitoring|assurance|adapters)/",
      ["^src/(?!testing/|ringwall\\.ts)"],
    ),
    rule("apps and examples import ringwall as an outside user would", "^(apps|examples)/([^/]+)/", [
      "^$1/$2/",
      "^src/.*index\\.ts$",
      "^src/(ringwall|pipeline)\\.ts$",
      "^migrations/index\\.ts$",
    ]),
    {
      name: "apps and examples name ringwall by its package name",
      severity: "error",
      from: { path: "^(apps|examples)/" },
      to: {
        path: "^(src|migrations)/",
        dependencyTypesNot: ["aliased", "npm", "localmodule", "npm-no-pkg", "undetermined"],
        dependencyTypes: ["local"],
      },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["source", "import", "node", "default"],
      extensions: [".ts", ".mjs", ".js"],
    },
    exclude: { path: "node_modules|dist" },
  },
};
