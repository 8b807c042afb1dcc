// Who may import whom: the table in ARCHITECTURE.md, held by dependency-cruiser. Type-only imports count too.
// `tools/imports.test.ts` plants a violation of every rule and sees it refused.
const OURS = "^(src|apps|examples|migrations|bench|test|tools)/";
const TEST = "\\.(test|contract|fixture)\\.ts$";
// A test may open a part of the harness by itself: its face starts a database that most tests do not need.
const HARNESS = ["^src/testing/", "^src/.*\\.contract\\.ts$"];
const CORE = "^src/core/index\\.ts$";
const DATA = "^src/data/[^/]+/index\\.ts$";
const MIGRATIONS = "^migrations/index\\.ts$";
const LEAN = "^bench/tax/lean/database\\.ts$";
const FACES = [
  "^src/(core|perimeter|network|assurance|testing)/index\\.ts$",
  "^src/(application|data|monitoring|assurance|adapters)/[^/]+/index\\.ts$",
  "^src/(ringwall|pipeline|supervised|installation)\\.ts$",
  MIGRATIONS,
];

/** Files below `from` may import what matches `allowed` and nothing else of ours. `$1` is the first group of `from`. */
const only = (name, from, allowed, notFrom = TEST) => ({
  name,
  severity: "error",
  from: { path: from, pathNot: notFrom },
  to: { path: OURS, pathNot: allowed },
});

const layers = [
  only("core-imports-nothing-of-ours", "^src/core/", ["^src/core/"]),
  only("perimeter-imports-core", "^src/perimeter/", ["^src/perimeter/", CORE]),
  only("data-imports-core", "^src/data/([^/]+)/", ["^src/data/$1/", DATA, CORE]),
  only("network-imports-core-keys-secrets", "^src/network/", [
    "^src/network/",
    "^src/data/(keys|secrets)/index\\.ts$",
    CORE,
  ]),
  only("application-imports-core-and-data", "^src/application/([^/]+)/", [
    "^src/application/$1/",
    "^src/application/[^/]+/index\\.ts$",
    DATA,
    CORE,
  ]),
  only("monitoring-imports-core-and-data", "^src/monitoring/([^/]+)/", [
    "^src/monitoring/$1/",
    "^src/monitoring/[^/]+/index\\.ts$",
    DATA,
    CORE,
  ]),
  only("assurance-imports-core", "^src/assurance/", ["^src/assurance/", CORE]),
];

const around = [
  only("adapters-import-faces-and-no-other-adapter", "^src/adapters/([^/]+)/", [
    "^src/adapters/$1/",
    "^src/(core|perimeter|network|assurance)/index\\.ts$",
    "^src/(application|data|monitoring|assurance)/[^/]+/index\\.ts$",
    "^src/pipeline\\.ts$",
  ]),
  only("composition-imports-faces", "^src/[^/]+\\.ts$", FACES),
  {
    name: "nothing-shipped-imports-testing",
    severity: "error",
    from: { path: "^(src|apps|examples|migrations)/", pathNot: ["^src/testing/", TEST] },
    to: { path: "^(src/testing|test|bench|tools)/" },
  },
  only("testing-imports-faces", "^src/testing/", ["^src/testing/", ...FACES], "^$"),
  only("migrations-import-faces", "^migrations/", ["^migrations/", ...FACES]),
  only(
    "unit-tests-import-their-layer-and-faces",
    `^src/(core|perimeter|network|assurance)/.*${TEST}`,
    ["^src/$1/", ...FACES, ...HARNESS],
    "^$",
  ),
  only(
    "unit-tests-import-their-folder-and-faces",
    `^src/((?:application|data|monitoring|adapters)/[^/]+)/.*${TEST}`,
    ["^src/$1/", ...FACES, ...HARNESS],
    "^$",
  ),
  only("bench-and-test-import-faces", "^(bench|test)/", ["^$1/", ...FACES, ...HARNESS, "^(apps|examples)/"], LEAN),
  // The one measurement of our plumbing without its protection has to take the plumbing apart.
  only("bench-takes-the-pool-apart", LEAN, ["^bench/", ...FACES, "^src/adapters/postgres/(pool|wire)\\.ts$"], "^$"),
  only("tools-import-faces", "^tools/", ["^tools/", ...FACES], "^$"),
];

const outside = [
  only("apps-and-examples-import-faces", "^(apps|examples)/([^/]+)/", ["^$1/$2/", ...FACES], "^$"),
  // In a browser there is no server's code: the console knows the API by its description alone.
  only("console-imports-nothing-of-ours", "^apps/console/src/", ["^apps/console/src/"], "^$"),
  {
    // `ringwall/core` and a relative path resolve to one file; only the relative one is a "local" dependency.
    name: "apps-and-examples-say-ringwall",
    severity: "error",
    from: { path: "^(apps|examples)/" },
    to: { path: "^(src|migrations)/", dependencyTypes: ["local"] },
  },
  {
    name: "shipped-code-needs-no-dev-dependency",
    severity: "error",
    // The console is built where it runs, by the tools that its package names for building.
    from: {
      path: "^(src|apps|examples|migrations)/",
      pathNot: ["^src/testing/", "^apps/console/(main|schema)\\.ts$", TEST],
    },
    to: { dependencyTypes: ["npm-dev"] },
  },
  {
    name: "core-needs-zod-only",
    severity: "error",
    from: { path: "^src/core/", pathNot: TEST },
    to: { path: "node_modules/(?!zod/)" },
  },
  {
    name: "perimeter-needs-no-driver",
    severity: "error",
    from: { path: "^src/perimeter/", pathNot: TEST },
    to: { path: "node_modules/(pg|kysely|redis|@redis)/" },
  },
  { name: "imports-resolve", severity: "error", from: {}, to: { couldNotResolve: true } },
  { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
];

module.exports = {
  forbidden: [...layers, ...around, ...outside],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["source", "import", "node", "default"],
      extensions: [".ts", ".tsx", ".mjs", ".js"],
    },
  },
};
