/* The floors of the house (src/README.md): one direction of imports, enforced. */
const floors = {
  mail: [],
  dkim: ['mail'],
  settings: ['mail'],
  operator: ['mail', 'settings'],
  snapshot: ['mail', 'settings'],
  decide: ['mail', 'snapshot'],
  answers: ['mail', 'wire', 'snapshot', 'decide'],
  services: ['mail', 'dkim', 'wire', 'settings', 'operator', 'snapshot', 'decide', 'answers'],
};
const npm = {
  mail: ['ipaddr.js'],
  dkim: [],
  settings: ['zod'],
  operator: ['zod'],
  snapshot: ['re2js'],
  decide: [],
  answers: [],
  services: ['lru-cache'],
};
const node = {
  mail: ['url'],
  dkim: ['crypto', 'buffer'],
  settings: [],
  operator: [],
  snapshot: [],
  decide: [],
  answers: [],
  services: ['crypto', 'util'],
};
const any = (names) => (names.length === 0 ? '(?!)' : `(${names.join('|')})`);

const forbidden = [
  { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
  { name: 'no-orphans', severity: 'error', from: { orphan: true, path: '^src/', pathNot: '^src/cli\\.ts$' }, to: {} },
  { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  { name: 'src-never-imports-test', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench)/' } },
  {
    name: 'no-dev-dependency-in-src',
    severity: 'error',
    from: { path: '^src/' },
    to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
  },
  {
    name: 'wire-is-self-contained',
    comment: 'a codec imports only itself; socketmap also netstring; all but milter share the error classes',
    severity: 'error',
    from: { path: '^src/wire/(?!milter/)([^/]+)/' },
    to: {
      path: ['^src/', '^node_modules/'],
      pathNot: ['^src/wire/$1/', '^src/wire/(netstring/|protocol-error\\.ts$)'],
    },
  },
  {
    name: 'milter-imports-nothing-outside-itself',
    severity: 'error',
    from: { path: '^src/wire/milter/' },
    to: { path: ['^src/', '^node_modules/'], pathNot: '^src/wire/milter/' },
  },
  {
    name: 'adapters-do-not-import-each-other',
    severity: 'error',
    from: { path: '^src/adapters/([^/]+)/' },
    to: { path: '^src/(adapters|app|web)/', pathNot: ['^src/adapters/$1/', '^src/adapters/(socket|files)/'] },
  },
  {
    name: 'only-adapters-log-knows-the-logger',
    severity: 'error',
    from: { path: '^src/', pathNot: '^src/adapters/log/' },
    to: { path: '^node_modules/pino/' },
  },
  {
    name: 'through-the-face',
    comment: 'another folder of the pure floors is entered by its index.ts',
    severity: 'error',
    from: { path: '^src/([^/]+)/' },
    to: {
      path: '^src/(mail|dkim|settings|operator|snapshot|decide|answers|services)/',
      pathNot: ['^src/$1/', '^src/[^/]+/index\\.ts$'],
    },
  },
  {
    name: 'through-the-face-of-wire-and-adapters',
    severity: 'error',
    from: { path: '^src/([^/]+)/([^/]+)' },
    to: { path: '^src/(wire|adapters)/[^/]+/', pathNot: ['^src/$1/$2/', '^src/(wire|adapters)/[^/]+/index\\.ts$'] },
  },
];

for (const [floor, below] of Object.entries(floors)) {
  forbidden.push({
    name: `floor-${floor}`,
    severity: 'error',
    from: { path: `^src/${floor}/` },
    to: { path: '^src/', pathNot: [`^src/${floor}/`, `^src/${any(below)}/`] },
  });
  forbidden.push({
    name: `npm-of-${floor}`,
    severity: 'error',
    from: { path: `^src/${floor}/` },
    to: { path: '^node_modules/', pathNot: `^node_modules/${any(npm[floor])}/` },
  });
  forbidden.push({
    name: `node-of-${floor}`,
    severity: 'error',
    from: { path: `^src/${floor}/` },
    to: { dependencyTypes: ['core'], pathNot: `^(node:)?${any(node[floor])}$` },
  });
}

module.exports = {
  forbidden,
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types'],
    },
  },
};
