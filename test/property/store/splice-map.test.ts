/** Keys set and deleted in generated settings: the result means what was meant, and no other line changes. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { editYamlText, type SettingsEdit } from '../../../src/adapters/store-embedded/splice.ts';
import { parseYamlText } from '../../../src/adapters/store-embedded/yaml-text.ts';

type Route = Record<string, string | number | boolean>;
type RoutePlan = { readonly layout: 'flow' | 'block' | 'flow lines'; readonly route: Route; readonly comments: number };
type Plan = {
  readonly routes: Readonly<Record<string, RoutePlan>>;
  readonly container: 'block' | 'flow' | 'empty' | 'absent';
  readonly list: number;
  readonly crlf: boolean;
  readonly finalBreak: boolean;
};

const NAMES = ['archive', '12', 'null', 'dlp-2', 'Old_1', 'no', '0x1', '1e3'];
const text = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  fc.constantFrom(
    'a: b',
    '# no comment',
    "it's",
    'said "x"',
    '{a}, [b]',
    ' spaces ',
    '- dash',
    '*alias',
    '!tag',
    'ends:',
    'a\nb',
    'true',
  ),
);
const route: fc.Arbitrary<Route> = fc
  .record(
    {
      host: fc.constantFrom('a.example', '192.0.2.1', '2001:db8::'),
      port: fc.nat(65535),
      mx: fc.boolean(),
      description: text,
    },
    { requiredKeys: ['host'] },
  )
  // As the command line makes it, with the prototype of an object.
  .map((value) => ({ ...value }));
const plan: fc.Arbitrary<Plan> = fc.record({
  routes: fc.dictionary(
    fc.constantFrom(...NAMES),
    fc.record({
      layout: fc.constantFrom('flow' as const, 'block' as const, 'flow lines' as const),
      route,
      comments: fc.nat(15),
    }),
    { maxKeys: 4 },
  ),
  container: fc.constantFrom('block' as const, 'block' as const, 'flow' as const, 'empty' as const, 'absent' as const),
  // From some length on, plain lines are folded.
  list: fc.constantFrom(0, 3, 20),
  crlf: fc.boolean(),
  finalBreak: fc.boolean(),
});
const change = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), name: fc.constantFrom(...NAMES), route }),
  fc.record({ kind: fc.constant('remove' as const), name: fc.nat(9) }),
  fc.record({
    kind: fc.constant('change' as const),
    name: fc.nat(9),
    key: fc.constantFrom('host', 'port', 'description'),
    value: fc.oneof(text, fc.nat(9)),
  }),
  fc.record({ kind: fc.constant('take out' as const), name: fc.nat(9), key: fc.nat(9) }),
);

let counter = 0;
const free = (isThere: boolean): string => (isThere ? ` # free ${counter++}` : '');
const valueText = (value: unknown): string => JSON.stringify(value);
const flowOf = (value: Route): string =>
  `{ ${Object.entries(value)
    .map(([key, member]) => `${key}: ${valueText(member)}`)
    .join(', ')} }`;

/** A comment `# on <route>` belongs to that route, every other comment to nobody. */
function routeLines(name: string, { layout, route: value, comments }: RoutePlan, indent: string): string[] {
  const on = (bit: number): string => ((comments & bit) === 0 ? '' : ` # on ${name}`);
  const members = Object.entries(value);
  const key = JSON.stringify(name);
  if (layout === 'flow') return [`${indent}${key}: ${flowOf(value)}${on(1)}`];
  if (layout === 'block') {
    return [
      `${indent}${key}:${on(2)}`,
      ...members.map(
        ([member, inner], index) => `${indent}  ${member}: ${valueText(inner)}${index === 0 ? on(4) : ''}`,
      ),
    ];
  }
  return [
    `${indent}${key}: {`,
    ...members.map(
      ([member, inner], index) =>
        `${indent}  ${member}: ${valueText(inner)}${index < members.length - 1 || (comments & 8) !== 0 ? ',' : ''}${on(1)}`,
    ),
    `${indent}}`,
  ];
}

function render({ routes, container, list, crlf, finalBreak }: Plan): string {
  const entries = Object.entries(routes);
  const blocked = Array.from({ length: list }, (_, n) => `      - 10.0.0.${n}${free(n % 3 === 0)}`);
  const routesText =
    container === 'absent'
      ? []
      : container === 'empty' || entries.length === 0
        ? [`  routes: {}${free(true)}`]
        : container === 'flow'
          ? [
              `  routes: { ${entries.map(([name, { route: value }]) => `${JSON.stringify(name)}: ${flowOf(value)}`).join(', ')} }${free(true)}`,
            ]
          : [
              `  routes:${free(true)}`,
              ...entries.flatMap(([name, each]) => [`    #${free(true)}`, ...routeLines(name, each, '    ')]),
            ];
  const lines = [
    '# free top',
    'acme: # free acme',
    '  domain: "example.com" # free domain',
    ...routesText,
    '',
    '  # free list',
    '  lists:',
    ...(list === 0 ? ['    blocked: []'] : ['    blocked:', ...blocked]),
    '# free end',
    "last: ''",
  ];
  const eol = crlf ? '\r\n' : '\n';
  return lines.join(eol) + (finalBreak ? eol : '');
}

const commentsIn = (whole: string): string[] =>
  [...whole.matchAll(/# (?:free|on) [^\r\n]*/g)].map(([comment]) => comment);

/** Lines of `before` that `after` has not, both read in order (longest common subsequence). */
function lostLines(before: readonly string[], after: readonly string[]): number {
  let row = Array<number>(after.length + 1).fill(0);
  for (const line of before) {
    const next = [0];
    after.forEach((other, index) =>
      next.push(line === other ? (row[index] ?? 0) + 1 : Math.max(next[index] ?? 0, row[index + 1] ?? 0)),
    );
    row = next;
  }
  return before.length - (row.at(-1) ?? 0);
}

type Model = { acme: { routes?: Record<string, Route> } };

/** The edit that a change asks for, done on the model too; null where there is nothing to do it on. */
function editOf(model: Model, wanted: typeof change extends fc.Arbitrary<infer T> ? T : never): SettingsEdit | null {
  const { routes } = model.acme;
  if (wanted.kind === 'add') {
    if (routes !== undefined && Object.hasOwn(routes, wanted.name)) return null;
    (model.acme.routes ??= {})[wanted.name] = { ...wanted.route };
    return routes === undefined
      ? { kind: 'set', pointer: '/acme/routes', value: { [wanted.name]: wanted.route } }
      : { kind: 'set', pointer: `/acme/routes/${wanted.name}`, value: wanted.route };
  }
  const names = Object.keys(routes ?? {});
  const name = names[wanted.name % Math.max(names.length, 1)];
  const present = name === undefined ? undefined : routes?.[name];
  if (name === undefined || routes === undefined || present === undefined) return null;
  if (wanted.kind === 'remove') {
    Reflect.deleteProperty(routes, name);
    return { kind: 'delete', pointer: `/acme/routes/${name}` };
  }
  if (wanted.kind === 'change') {
    present[wanted.key] = wanted.value;
    return { kind: 'set', pointer: `/acme/routes/${name}/${wanted.key}`, value: wanted.value };
  }
  const keys = Object.keys(present);
  const key = keys[wanted.key % Math.max(keys.length, 1)];
  if (key === undefined) return null;
  Reflect.deleteProperty(present, key);
  return { kind: 'delete', pointer: `/acme/routes/${name}/${key}` };
}

it('any keys set and deleted in any layout mean what was meant and touch nothing else', { timeout: 600_000 }, () => {
  fc.assert(
    fc.property(plan, fc.array(change, { minLength: 1, maxLength: 6 }), (generated, changes) => {
      let now = render(generated);
      const model = parse(now) as Model;
      for (const wanted of changes) {
        const edit = editOf(model, wanted);
        if (edit === null) continue;
        const after = editYamlText(parseYamlText('s.yaml', now), edit).text;
        expect(parse(after)).toEqual(model);
        const left = new Set(commentsIn(after));
        const lost = commentsIn(now).filter((comment) => !left.has(comment));
        // What stands on the lines of a route goes with them.
        expect(lost.filter((comment) => edit.kind !== 'delete' || !comment.startsWith('# on '))).toEqual([]);
        // A route has six lines at most; a set value one, and the neighbour that gets a comma another.
        const most = edit.kind === 'delete' ? 7 : 2;
        expect(lostLines(now.split('\n'), after.split('\n'))).toBeLessThanOrEqual(now.endsWith('\n') ? most : most + 1);
        if (now.includes('\r\n')) expect(after.replaceAll('\r\n', '')).not.toContain('\n');
        now = after;
      }
    }),
    { numRuns: process.env['POSTERN_PROOF'] === 'whole' ? 10_000 : 1500 },
  );
});
